import { endpoint } from "../_shared/endpoint.ts";
import { moments } from "./moments.ts";

Deno.serve(endpoint(moments));
