import { endpoint } from "../_shared/endpoint.ts";
import { enqueue } from "./enqueue.ts";

Deno.serve(endpoint(enqueue));
