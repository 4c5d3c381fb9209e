import { endpoint } from "../_shared/endpoint.ts";
import { momentsCron } from "./moments_cron.ts";

Deno.serve(endpoint(momentsCron, { methods: ["GET", "POST"] }));
