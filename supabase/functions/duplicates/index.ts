import { endpoint } from "../_shared/endpoint.ts";
import { duplicates } from "./duplicates.ts";

Deno.serve(endpoint(duplicates));
