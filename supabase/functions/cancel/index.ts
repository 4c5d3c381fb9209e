import { endpoint } from "../_shared/endpoint.ts";
import { cancel } from "./cancel.ts";

Deno.serve(endpoint(cancel));
