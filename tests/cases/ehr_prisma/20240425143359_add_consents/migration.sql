-- CreateEnum
CREATE TYPE "ConsentKind" AS ENUM ('TREATMENT', 'TELEHEALTH', 'DATA_SHARING');

-- CreateTable
CREATE TABLE "consents" (
    "id" TEXT NOT NULL,
    "clientId" TEXT NOT NULL,
    "kind" "ConsentKind" NOT NULL,
    "givenAt" TIMESTAMP(3) NOT NULL,
    "withdrawnAt" TIMESTAMP(3),
    "recordedById" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "consents_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "consents_clientId_kind_idx" ON "consents"("clientId", "kind");

-- AddForeignKey
ALTER TABLE "consents" ADD CONSTRAINT "consents_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "clients"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "consents" ADD CONSTRAINT "consents_recordedById_fkey" FOREIGN KEY ("recordedById") REFERENCES "staff"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
