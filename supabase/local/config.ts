// What the gateway reads of the project's `config.toml`: a few lines of its sections.

/** The lines of a section that set something, as written: `enabled = true` is ["enabled", "true"]. */
export function sectionsOf(config: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let current: Map<string, string> | undefined;
  for (const line of config.split("\n")) {
    const header = /^\s*\[([\w.-]+)\]/.exec(line);
    if (header) {
      current = sections.get(header[1]) ?? new Map();
      sections.set(header[1], current);
      continue;
    }
    const setting = /^\s*(\w+)\s*=\s*("[^"]*"|[^#\s]+)/.exec(line);
    if (setting) current?.set(setting[1], setting[2].replace(/^"(.*)"$/, "$1"));
  }
  return sections;
}

/** Names of the functions with `verify_jwt = false`. */
export function functionsWithoutJwt(config: string): Set<string> {
  const open = new Set<string>();
  for (const [section, settings] of sectionsOf(config)) {
    const name = /^functions\.([\w-]+)$/.exec(section)?.[1];
    if (name && settings.get("verify_jwt") === "false") open.add(name);
  }
  return open;
}

export interface HookFunction {
  schema: string;
  name: string;
}

/** The Postgres function that is asked for the claims of every token; null where none is. */
export function accessTokenHook(config: string): HookFunction | null {
  const settings = sectionsOf(config).get("auth.hook.custom_access_token");
  if (settings?.get("enabled") !== "true") return null;
  const uri = settings.get("uri") ?? "";
  const parts = /^pg-functions:\/\/postgres\/([A-Za-z_]\w*)\/([A-Za-z_]\w*)$/.exec(uri);
  if (!parts) throw new Error(`no function of the database is named by the hook's uri ${uri}`);
  return { schema: parts[1], name: parts[2] };
}
