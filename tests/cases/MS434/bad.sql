-- Labels that nothing takes away.
CREATE TYPE "Shift" AS ENUM ('day', 'night'); -- MS434
CREATE TYPE billing.currency AS ENUM ('CHF'); -- MS434
