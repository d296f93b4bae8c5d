-- The signatures are those of pgcrypto 1.3. Bodies are parsed here and now, so that they find each
-- other in whatever schema the extension is moved to.

DO $do$
DECLARE
    declared text;
BEGIN
    FOREACH declared IN ARRAY ARRAY[
        'pgcrypto_stand_in(text) RETURNS bytea VOLATILE',
        'crypt(text, text) RETURNS text IMMUTABLE',
        'gen_salt(text) RETURNS text VOLATILE',
        'gen_salt(text, int4) RETURNS text VOLATILE',
        'encrypt(bytea, bytea, text) RETURNS bytea IMMUTABLE',
        'decrypt(bytea, bytea, text) RETURNS bytea IMMUTABLE',
        'encrypt_iv(bytea, bytea, bytea, text) RETURNS bytea IMMUTABLE',
        'decrypt_iv(bytea, bytea, bytea, text) RETURNS bytea IMMUTABLE',
        'pgp_sym_encrypt(text, text) RETURNS bytea VOLATILE',
        'pgp_sym_encrypt_bytea(bytea, text) RETURNS bytea VOLATILE',
        'pgp_sym_encrypt(text, text, text) RETURNS bytea VOLATILE',
        'pgp_sym_encrypt_bytea(bytea, text, text) RETURNS bytea VOLATILE',
        'pgp_sym_decrypt(bytea, text) RETURNS text IMMUTABLE',
        'pgp_sym_decrypt_bytea(bytea, text) RETURNS bytea IMMUTABLE',
        'pgp_sym_decrypt(bytea, text, text) RETURNS text IMMUTABLE',
        'pgp_sym_decrypt_bytea(bytea, text, text) RETURNS bytea IMMUTABLE',
        'pgp_pub_encrypt(text, bytea) RETURNS bytea VOLATILE',
        'pgp_pub_encrypt_bytea(bytea, bytea) RETURNS bytea VOLATILE',
        'pgp_pub_encrypt(text, bytea, text) RETURNS bytea VOLATILE',
        'pgp_pub_encrypt_bytea(bytea, bytea, text) RETURNS bytea VOLATILE',
        'pgp_pub_decrypt(bytea, bytea) RETURNS text IMMUTABLE',
        'pgp_pub_decrypt_bytea(bytea, bytea) RETURNS bytea IMMUTABLE',
        'pgp_pub_decrypt(bytea, bytea, text) RETURNS text IMMUTABLE',
        'pgp_pub_decrypt_bytea(bytea, bytea, text) RETURNS bytea IMMUTABLE',
        'pgp_pub_decrypt(bytea, bytea, text, text) RETURNS text IMMUTABLE',
        'pgp_pub_decrypt_bytea(bytea, bytea, text, text) RETURNS bytea IMMUTABLE',
        'pgp_key_id(bytea) RETURNS text IMMUTABLE',
        'armor(bytea) RETURNS text IMMUTABLE',
        'armor(bytea, text[], text[]) RETURNS text IMMUTABLE',
        'dearmor(text) RETURNS bytea IMMUTABLE',
        'pgp_armor_headers(text, OUT key text, OUT value text) RETURNS SETOF record IMMUTABLE'
    ] LOOP
        EXECUTE format('CREATE FUNCTION %s LANGUAGE plpgsql STRICT PARALLEL SAFE AS %L', declared,
            format($body$BEGIN
                RAISE feature_not_supported USING
                    MESSAGE = %L, HINT = 'Use a shadow that has the real pgcrypto: --shadow URL.';
            END$body$, 'the pgcrypto of this shadow is migsafe''s stand-in, which lacks '
                || CASE WHEN declared LIKE 'pgcrypto_stand_in%' THEN 'that algorithm'
                        ELSE split_part(declared, ' RETURNS', 1) END));
    END LOOP;
END
$do$;

CREATE FUNCTION digest(bytea, text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE lower($2)
    WHEN 'md5' THEN decode(md5($1), 'hex')
    WHEN 'sha224' THEN sha224($1)
    WHEN 'sha256' THEN sha256($1)
    WHEN 'sha384' THEN sha384($1)
    WHEN 'sha512' THEN sha512($1)
    ELSE pgcrypto_stand_in($2)
END;

CREATE FUNCTION digest(text, text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN digest(convert_to($1, getdatabaseencoding()), $2);

-- RFC 2104: the key fills a block of 64 bytes, or of 128 for the two longest digests.
CREATE FUNCTION hmac(bytea, bytea, text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    WITH block AS (
        SELECT CASE WHEN lower($3) IN ('sha384', 'sha512') THEN 128 ELSE 64 END AS size
    ), key AS (
        SELECT CASE WHEN length($2) > size THEN digest($2, $3) ELSE $2 END
            || decode(repeat('00', size), 'hex') AS bytes, size FROM block
    ), pads AS (
        SELECT string_agg(set_byte('\x00', 0, get_byte(bytes, i) # 54), '' ORDER BY i) AS inside,
            string_agg(set_byte('\x00', 0, get_byte(bytes, i) # 92), '' ORDER BY i) AS outside
        FROM key, generate_series(0, size - 1) AS i
    )
    SELECT digest(outside || digest(inside || $1, $3), $3) FROM pads
);

CREATE FUNCTION hmac(text, text, text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hmac(
    convert_to($1, getdatabaseencoding()), convert_to($2, getdatabaseencoding()), $3
);

CREATE FUNCTION gen_random_bytes(int4) RETURNS bytea
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN (
    SELECT substr(string_agg(sha256(uuid_send(pg_catalog.gen_random_uuid())), ''), 1, $1)
    FROM generate_series(1, ($1 + 31) / 32)
);

CREATE FUNCTION gen_random_uuid() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN pg_catalog.gen_random_uuid();
