-- An image in a format that nothing here reads lacks nothing, as a file that is no image: no model will find more in
-- it, so it is not missing for ever, nor asked for again with each new model. What an earlier worker could not read
-- and this one may (camera raw, JPEG XL, JPEG 2000, Photoshop documents) is asked for once more.

-- What a failure was about: `file`, which is no picture, or none that is read here, and lacks nothing; `asset`, which
-- would fail the same way again; `chance`, which another try may go better, if not for ever; `outage`, which passes
-- for all assets at once; or `machine`, which lacked something that it may have by now, or another may. The one place
-- that decides.
create or replace function kizu.fault_of(p_code text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
           when p_code in ('not_an_image', 'unreadable', 'unsupported_format') then 'file'
           when p_code in ('timeout', 'out_of_memory', 'model_failed', 'worker_lost', 'internal_error') then 'chance'
           when p_code in ('storage_unavailable', 'source_refused', 'database_unavailable', 'disk_full',
                           'device_unavailable', 'server_unavailable')
           then 'outage'
           when p_code in ('weights_missing', 'bad_weights', 'package_missing', 'licence_refused', 'unknown_model')
           then 'machine'
           else 'asset'
         end;
end;
$$;

delete from kizu.misses where reason = 'unsupported_format';
