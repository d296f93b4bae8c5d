ALTER TABLE appointments -- MS107
    ADD CONSTRAINT one_in_a_room EXCLUDE USING gist ("roomNo" WITH =, during WITH &&);
ALTER TABLE billing.rates ADD EXCLUDE USING btree (price WITH =) WHERE (price > 0); -- MS107
