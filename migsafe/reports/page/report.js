(() => {
  const tools = document.querySelector(".tools");
  if (tools) {
    const findings = [...document.querySelectorAll("details.finding")];
    const texts = findings.map((finding) => finding.textContent.toLowerCase());
    tools.hidden = false;
    tools.querySelector("input").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/);
      findings.forEach((finding, index) => {
        finding.parentElement.hidden = !words.every((word) => texts[index].includes(word));
      });
      if (event.target.value) document.querySelectorAll("details.more").forEach((more) => {
        more.open = true;
      });
    });
    tools.querySelector("button").addEventListener("click", (event) => {
      const open = event.target.getAttribute("aria-expanded") !== "true";
      findings.forEach((finding) => { finding.open = open; });
      event.target.setAttribute("aria-expanded", open);
      event.target.textContent = open ? "Collapse all" : "Expand all";
    });
  }
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
