import { endpoint } from "../_shared/endpoint.ts";
import { search } from "./search.ts";

Deno.serve(endpoint(search()));
