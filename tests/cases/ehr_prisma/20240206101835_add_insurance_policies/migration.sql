-- CreateTable
CREATE TABLE "insurance_policies" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "payer" TEXT NOT NULL,
    "memberNumber" TEXT NOT NULL,
    "isPrimary" BOOLEAN NOT NULL DEFAULT true,
    "validFrom" DATE NOT NULL,
    "validUntil" DATE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "insurance_policies_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "insurance_policies_clientId_idx" ON "insurance_policies"("clientId");

-- CreateIndex
CREATE UNIQUE INDEX "insurance_policies_payer_memberNumber_key" ON "insurance_policies"("payer", "memberNumber");

-- AddForeignKey
ALTER TABLE "insurance_policies" ADD CONSTRAINT "insurance_policies_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "clients"("id") ON DELETE CASCADE ON UPDATE CASCADE;
