"""What is known of the photos and their people, and what was seen of them while the models changed."""

SCHEMA = """
create schema chaos;

-- A job is tried until it is done: no killing may use up its attempts. Only what makes vectors is asked for.
update public.job_kinds
   set max_attempts = 100, default_params = '{"operations": ["embedding", "faces"]}'
 where kind = 'image_ai';

-- What was drawn and uploaded.
create table chaos.photos (
  asset_id    uuid primary key,
  uploaded_at timestamptz not null default clock_timestamp()
);

create table chaos.faces (
  asset_id uuid not null references chaos.photos,
  person   int not null,
  x        float8 not null,  -- of its middle, 0 to 1
  y        float8 not null,
  primary key (asset_id, person)
);

-- Whom the user knows, and the faces they named themselves.
create table chaos.people (
  person     int primary key,
  contact_id uuid not null unique,
  named_at   timestamptz not null default clock_timestamp(),  -- their first face
  late       boolean not null                                 -- after the first flip
);
create table chaos.names (
  asset_id uuid not null,
  person   int not null references chaos.people,
  primary key (asset_id, person),
  foreign key (asset_id, person) references chaos.faces
);

-- When the user looked; of what was uploaded until then.
create table chaos.moments (
  name text primary key,
  at   timestamptz not null default clock_timestamp()
);

-- What they saw: answers to fixed vectors (`search`), faces, tags and contacts.
create table chaos.seen (
  moment   text not null references chaos.moments,
  what     text not null,
  asset_id uuid not null,  -- of a contact, its own id
  detail   jsonb not null
);
create index on chaos.seen (moment, what, asset_id);

-- The generations that every photo has to have vectors of at a moment, and how many each has.
create table chaos.living (
  moment        text not null references chaos.moments,
  kind          text not null,
  model_version text not null
);
create table chaos.kept (
  moment        text not null references chaos.moments,
  kind          text not null,
  model_version text not null,
  asset_id      uuid not null,
  vectors       int not null
);

-- Of which nothing may be left at the end.
create table chaos.dropped (
  kind          text not null,
  model_version text not null
);

-- Every search: of an app that asks before each which generation answers (`line` is empty), or of one that
-- goes on with what it knew until that is refused.
create table chaos.searches (
  id          int primary key generated always as identity,
  line        text not null,
  began       timestamptz not null,
  ended       timestamptz not null,
  version     text not null,     -- asked for
  error       text,
  unreachable boolean not null,  -- nobody answered at first
  asked_again int not null,      -- times that its version was refused as no generation any more
  versions    text[] not null,   -- of the rows that came
  photos      uuid[] not null
);

-- When the gateway was away.
create table chaos.outages (
  began timestamptz not null,
  ended timestamptz not null
);

-- Whether a box {x, y, width, height} covers a point.
create function chaos.covers(p_box jsonb, p_x float8, p_y float8)
returns boolean
language sql
immutable
return p_x between (p_box ->> 'x')::float8 and (p_box ->> 'x')::float8 + (p_box ->> 'width')::float8
   and p_y between (p_box ->> 'y')::float8 and (p_box ->> 'y')::float8 + (p_box ->> 'height')::float8;

-- The faces that were drawn, as the user saw them at each moment.
create view chaos.shown as
select seen.moment, face.asset_id, face.person, seen.detail ->> 'contact_id' as contact_id,
       (seen.detail ->> 'recognised')::boolean as recognised
  from chaos.faces as face
  join chaos.seen as seen on seen.asset_id = face.asset_id and seen.what = 'face'
 where chaos.covers(seen.detail -> 'bounding_box', face.x, face.y);
"""
