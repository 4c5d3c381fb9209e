import { endpoint } from "../_shared/endpoint.ts";
import { tagSync } from "./tag_sync.ts";

Deno.serve(endpoint(tagSync));
