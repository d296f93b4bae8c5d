-- At most 63 bytes: this name has them.
ALTER TABLE patients ADD COLUMN date_of_first_telephone_call_with_the_ward_or_the_head_physici date;
CREATE INDEX appointments_room_at_idx ON appointments ("roomNo", at);

-- Long words that are no names.
UPDATE patients SET notes = 'a_word_of_more_than_sixty_three_characters_that_is_only_a_value_of_a_row';
/* date_of_the_first_telephone_call_with_the_ward_of_the_clinic_or_its_deputy */
COMMENT ON TABLE billing.rates IS 'a_word_of_more_than_sixty_three_characters_that_is_only_a_comment_on_it';
