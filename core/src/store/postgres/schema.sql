-- Version 1. Ids are 16 bytes. Times are Unix seconds. Text is compared byte for byte.

CREATE TABLE meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    store_id bytea NOT NULL,
    generation bigint NOT NULL,
    token bytea NOT NULL,
    -- Which transaction moved the generation last, and of which start of the server.
    xact xid8,
    server timestamptz,
    -- Never written: what a role may update, so that it may lock the row.
    writer boolean
) WITH (fillfactor = 10);

-- What was committed, in the order of the commits: the row of `meta` is locked from the first change to the commit.
CREATE TABLE generations (
    generation bigint PRIMARY KEY,
    token bytea NOT NULL,
    kind text NOT NULL
);
-- Asked for in each transaction, and hardly ever there: without this it would be looked for among all others.
CREATE INDEX generations_adopted ON generations (generation) WHERE kind = 'adoption';
CREATE TABLE changes (
    generation bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
    kind text NOT NULL,
    item bytea NOT NULL,
    PRIMARY KEY (generation, kind, item)
);

CREATE TABLE keys (
    id bytea PRIMARY KEY CHECK (length(id) = 16),
    kind text NOT NULL,
    name text COLLATE "C" NOT NULL UNIQUE,
    description text NOT NULL,
    levels text[] NOT NULL,
    require_secure boolean NOT NULL,
    enabled boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint,
    revision bigint NOT NULL,
    seal bytea,
    seal_key_id text
);
CREATE TABLE credentials (
    id bytea PRIMARY KEY CHECK (length(id) = 16),
    key_id bytea NOT NULL REFERENCES keys ON DELETE CASCADE,
    scheme text NOT NULL,
    hash text NOT NULL,
    tag bigint,
    tag_key_id bigint,
    pepper_id text,
    origin text NOT NULL,
    strength text NOT NULL,
    not_after bigint,
    created_at bigint NOT NULL
);
CREATE INDEX credentials_by_key ON credentials (key_id, created_at, id);
CREATE TABLE tag_keys (id bigint PRIMARY KEY, secret bytea NOT NULL);

-- `scope` is empty for what all machines share, else the machine's id.
CREATE TABLE license (
    scope text PRIMARY KEY,
    file bytea NOT NULL,
    license_key text NOT NULL,
    mode text NOT NULL,
    installed_at bigint NOT NULL,
    validated_at bigint NOT NULL,
    refusal text,
    refused_at bigint,
    attempt text,
    attempted_at bigint
);
CREATE TABLE license_marks (key_id text COLLATE "C" PRIMARY KEY, issued bigint NOT NULL);
CREATE TABLE license_burials (
    scope text NOT NULL,
    license_id text NOT NULL,
    issued bigint NOT NULL,
    PRIMARY KEY (scope, license_id)
);
CREATE TABLE license_releases (
    scope text NOT NULL,
    machine text COLLATE "C" NOT NULL,
    license text NOT NULL,
    license_key text NOT NULL,
    fingerprint text NOT NULL,
    since bigint NOT NULL,
    attempted bigint,
    PRIMARY KEY (scope, machine)
);
CREATE TABLE installation (scope text PRIMARY KEY, seed bytea NOT NULL);

-- What is consumed, noted and seen moves no generation.
CREATE TABLE ledger (one boolean PRIMARY KEY DEFAULT true CHECK (one));
INSERT INTO ledger DEFAULT VALUES;
CREATE TABLE credit_periods (
    tenant text NOT NULL,
    period bigint NOT NULL,
    used bigint NOT NULL,
    PRIMARY KEY (tenant, period)
);
CREATE TABLE credit_operations (
    id text PRIMARY KEY,
    tenant text NOT NULL,
    period bigint NOT NULL,
    amount bigint NOT NULL,
    refunded boolean NOT NULL
);
CREATE INDEX credit_operations_by_period ON credit_operations (period);
CREATE TABLE clock_seen (
    machine text PRIMARY KEY,
    at bigint NOT NULL,
    boot text NOT NULL,
    anchor bigint NOT NULL,
    uptime bigint NOT NULL
);
CREATE TABLE last_used (key_id bytea PRIMARY KEY, at bigint NOT NULL);
CREATE TABLE audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    event text NOT NULL,
    actor text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    code bigint NOT NULL
);

-- Logs one change. A transaction's first one moves the generation, and holds off every other writer until it ends.
CREATE FUNCTION note_change(kind text, item bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
DECLARE
    moved bigint;
    made bytea;
BEGIN
    UPDATE meta
        SET generation = generation + 1, token = uuid_send(gen_random_uuid()),
            xact = pg_current_xact_id(), server = pg_postmaster_start_time()
        WHERE (xact, server) IS DISTINCT FROM (pg_current_xact_id(), pg_postmaster_start_time())
        RETURNING generation, token INTO moved, made;
    IF FOUND THEN
        INSERT INTO generations VALUES (moved, made, 'change');
        PERFORM pg_notify(':schema', '');
        IF moved % 1024 = 0 THEN
            DELETE FROM generations g WHERE g.generation <= moved - 100000 AND g.kind <> 'adoption';
        END IF;
    ELSE
        SELECT generation INTO moved FROM meta;
    END IF;
    INSERT INTO changes VALUES (moved, note_change.kind, note_change.item) ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION log_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM note_change('key', OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM note_change('key', NEW.id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION log_credential() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM note_change('key', OLD.key_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM note_change('key', NEW.key_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION log_license() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
BEGIN
    PERFORM note_change('license', '');
    RETURN NULL;
END $$;

CREATE FUNCTION log_everything() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
BEGIN
    PERFORM note_change('everything', '');
    RETURN NULL;
END $$;

-- Accepts what is there as the history, above `known` and above every history that was adopted before it.
CREATE FUNCTION adopt(known bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
BEGIN
    UPDATE meta
        SET generation = CASE
                WHEN (extract(epoch FROM clock_timestamp()) * 1048576)::bigint > greatest(generation, known)
                THEN (extract(epoch FROM clock_timestamp()) * 1048576)::bigint
                ELSE greatest(generation, known) + 4294967296
            END,
            token = uuid_send(gen_random_uuid()), xact = NULL, server = NULL;
    INSERT INTO generations SELECT generation, token, 'adoption' FROM meta;
    PERFORM pg_notify(':schema', '');
END $$;
