-- The signatures are those of uuid-ossp 1.1.

CREATE FUNCTION uuid_nil() RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '00000000-0000-0000-0000-000000000000'::uuid;

CREATE FUNCTION uuid_ns_dns() RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_ns_url() RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_ns_oid() RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid;

CREATE FUNCTION uuid_ns_x500() RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid;

-- RFC 9562, 5.1: 60 bits of time in units of 100 ns since 15 October 1582, a random clock sequence
-- with the variant of the random UUID that it is cut from, and a random multicast address.
CREATE FUNCTION uuid_generate_v1mc() RETURNS uuid
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN (
    SELECT (substr(time, 9, 8) || substr(time, 5, 4) || '1' || substr(time, 2, 3)
        || substr(random, 17, 5) || '1' || substr(random, 23))::uuid
    FROM (
        SELECT replace(gen_random_uuid()::text, '-', '') AS random, lpad(to_hex(
            (extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 122192928000000000
        ), 16, '0') AS time
    )
);

-- The real one has this machine's address.
CREATE FUNCTION uuid_generate_v1() RETURNS uuid
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN uuid_generate_v1mc();

CREATE FUNCTION uuid_generate_v3(namespace uuid, name text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT (substr(hash, 1, 12) || '3' || substr(hash, 14, 3)
        || to_hex(get_byte(decode(hash, 'hex'), 8) & 63 | 128) || substr(hash, 19))::uuid
    FROM (SELECT md5(uuid_send(namespace) || convert_to(name, getdatabaseencoding())) AS hash)
);

CREATE FUNCTION uuid_generate_v4() RETURNS uuid
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN gen_random_uuid();

CREATE FUNCTION uuid_generate_v5(namespace uuid, name text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'the uuid-ossp of this shadow is migsafe''s stand-in, which lacks '
            'uuid_generate_v5(uuid, text)',
        HINT = 'Use a shadow that has the real uuid-ossp: --shadow URL.';
END
$$;
