import { endpoint } from "../_shared/endpoint.ts";
import { search } from "./search.ts";

const AT_ONCE = 24; // as many wait for a worker, and are answered by the database, as may of one user

Deno.serve(endpoint(search(), { atOnce: AT_ONCE }));
