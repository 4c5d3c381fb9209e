import { endpoint } from "../_shared/endpoint.ts";
import { momentsApi } from "./moments_api.ts";

Deno.serve(endpoint(momentsApi, { methods: ["GET", "POST"] }));
