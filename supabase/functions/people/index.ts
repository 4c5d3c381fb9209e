import { endpoint } from "../_shared/endpoint.ts";
import { people } from "./people.ts";

Deno.serve(endpoint(people));
