-- Nobody can read it meanwhile.
REFRESH MATERIALIZED VIEW patient_counts; -- MS123
REFRESH MATERIALIZED VIEW public.staff_counts WITH DATA; -- MS123

-- Nobody can read it until it is filled again.
REFRESH MATERIALIZED VIEW "patient_counts" WITH NO DATA; -- MS123
