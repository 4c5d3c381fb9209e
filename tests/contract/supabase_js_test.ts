// The same contract through supabase-js, as a web or mobile app holds it. Run by test_supabase_js.py.

import { deepStrictEqual as equal, ok, strictEqual as same } from "node:assert";
import { createClient, type SupabaseClient } from "npm:@supabase/supabase-js@2.119.0";

const url = Deno.env.get("KIZU_TEST_URL")!;
const publishableKey = Deno.env.get("KIZU_TEST_PUBLISHABLE_KEY")!;
const secretKey = Deno.env.get("KIZU_TEST_SECRET_KEY")!;

const options = { auth: { persistSession: false, autoRefreshToken: false } };

interface Person {
  id: string;
  email: string;
  password: string;
  client: SupabaseClient;
}

async function person(): Promise<Person> {
  const client = createClient(url, publishableKey, options);
  const email = `${crypto.randomUUID()}@example.com`;
  const password = crypto.randomUUID();
  const { data, error } = await client.auth.signUp({ email, password });
  same(error, null);
  ok(data.session, "sign-ups must not need a confirmation");
  return { id: data.user!.id, email, password, client };
}

function contract(name: string, test: () => Promise<void>): void {
  // The client keeps its socket and timers after it is closed.
  Deno.test({ name, fn: test, sanitizeOps: false, sanitizeResources: false });
}

contract("a user signs up, in, refreshes and signs out", async () => {
  const someone = await person();
  const { data, error } = await someone.client.auth.signInWithPassword(someone);
  same(error, null);
  const refreshed = await someone.client.auth.refreshSession();
  same(refreshed.error, null);
  ok(refreshed.data.session!.refresh_token !== data.session!.refresh_token);
  const { data: found } = await someone.client.auth.getUser();
  same(found.user?.id, someone.id);
  same((await someone.client.auth.signOut()).error, null);
  const wrong = await someone.client.auth.signInWithPassword({ ...someone, password: "not it" });
  same(wrong.error?.code, "invalid_credentials");
});

contract("rows are written, paged, counted, changed and removed", async () => {
  const { client } = await person();
  const albums = () => client.from("albums");
  const rows = Array.from({ length: 12 }, (_, number) => ({ title: `album ${10 + number}` }));
  same((await albums().insert(rows)).error, null);
  const page = await albums().select("title", { count: "exact" }).order("title").range(2, 4);
  same(page.count, 12);
  equal(page.data, [{ title: "album 12" }, { title: "album 13" }, { title: "album 14" }]);
  const changed = await albums().update({ title: "new" }).eq("title", "album 10").select().single();
  same(changed.data.title, "new");
  const merged = await albums().upsert({ id: changed.data.id, title: "newer" }).select();
  equal(merged.data!.map(({ title }) => title), ["newer"]);
  same((await albums().delete().eq("id", changed.data.id)).error, null);
  same((await albums().select("*", { count: "exact", head: true })).count, 11);
  same((await albums().select().eq("title", "none").single()).error?.code, "PGRST116");
});

contract("functions answer, and say so when they are not there", async () => {
  const { client } = await person();
  equal((await client.rpc("job_stats")).data, []);
  same((await client.rpc("no_such_function")).error?.code, "PGRST202");
});

contract("rows and files of others stay theirs", async () => {
  const [mine, theirs] = [await person(), await person()];
  const { data } = await mine.client.from("albums").insert({ title: "private" }).select().single();
  equal((await theirs.client.from("albums").select().eq("id", data.id)).data, []);
  const forged = await theirs.client.from("albums").insert({ title: "x", user_id: mine.id });
  same(forged.error?.code, "42501");
  const path = `${mine.id}/a.jpg`;
  await mine.client.storage.from("assets").upload(path, new Uint8Array([1]), { contentType: "image/jpeg" });
  ok((await theirs.client.storage.from("assets").download(path)).error);
  ok((await theirs.client.storage.from("assets").upload(path, new Uint8Array([2]), { upsert: true })).error);
});

contract("files go up as bytes, blobs and forms, and come down as they were", async () => {
  const someone = await person();
  const files = someone.client.storage.from("assets");
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const blob = new Blob([bytes], { type: "image/jpeg" });
  for (const [name, body] of [["bytes.jpg", bytes], ["blob.jpg", blob]] as const) {
    const path = `${someone.id}/${name}`;
    same((await files.upload(path, body, { contentType: "image/jpeg" })).error, null);
    const { data, error } = await files.download(path);
    same(error, null);
    equal(new Uint8Array(await data!.arrayBuffer()), bytes);
    same(data!.type, "image/jpeg");
  }
  const again = await files.upload(`${someone.id}/blob.jpg`, blob);
  same((again.error as { statusCode?: string } | null)?.statusCode, "409");
  same((await files.upload(`${someone.id}/blob.jpg`, blob, { upsert: true })).error, null);
  const { data: listed } = await files.list(someone.id);
  equal(listed!.map(({ name }) => name), ["blob.jpg", "bytes.jpg"]);
  same((await files.exists(`${someone.id}/blob.jpg`)).data, true);
  same((await files.info(`${someone.id}/blob.jpg`)).data?.size, bytes.length);
  const { data: removed } = await files.remove([`${someone.id}/blob.jpg`]);
  same(removed!.length, 1);
  same((await files.exists(`${someone.id}/blob.jpg`)).data, false);
});

contract("signed links open and take files without a session", async () => {
  const someone = await person();
  const files = someone.client.storage.from("assets");
  const up = await files.createSignedUploadUrl(`${someone.id}/later.jpg`);
  same(up.error, null);
  const stranger = createClient(url, publishableKey, options).storage.from("assets");
  const sent = await stranger.uploadToSignedUrl(up.data!.path, up.data!.token, new Blob(["later"]));
  same(sent.error, null);
  const { data } = await files.createSignedUrl(`${someone.id}/later.jpg`, 60);
  same(await (await fetch(data!.signedUrl)).text(), "later");
  const many = await files.createSignedUrls([`${someone.id}/later.jpg`, `${someone.id}/none.jpg`], 60);
  equal(many.data!.map(({ signedUrl }) => Boolean(signedUrl)), [true, false]);
});

contract("an edge function is invoked with the user's token", async () => {
  const someone = await person();
  const photo = { path: `${someone.id}/a.jpg`, media_type: "photo" };
  const { data: asset } = await someone.client.from("assets").insert(photo).select().single();
  const body = { kind: "image_ai", asset_id: asset.id, operations: ["describe"] };
  const { data, error } = await someone.client.functions.invoke("enqueue", { body });
  same(error, null);
  same(data.jobs[0].status, "enqueued");
});

contract("an insert is told to its owner and to nobody else", async () => {
  const [mine, theirs] = [await person(), await person()];
  const heard = await Promise.all([mine, theirs].map(({ client }) => listen(client)));
  const photo = { path: `${mine.id}/a.jpg`, media_type: "photo" };
  const { data: asset } = await mine.client.from("assets").insert(photo).select().single();
  const event = await heard[0].next();
  same(event.eventType, "INSERT");
  same(event.new.asset_id, asset.id);
  same(heard[1].count(), 0);
  await Promise.all([mine, theirs].map(({ client }) => client.removeAllChannels()));
});

contract("the service hears of everybody's jobs", async () => {
  const service = createClient(url, secretKey, options);
  const heard = await listen(service);
  const someone = await person();
  const photo = { path: `${someone.id}/a.jpg`, media_type: "photo" };
  await someone.client.from("assets").insert(photo);
  same((await heard.next()).new.user_id, someone.id);
  await service.removeAllChannels();
});

// deno-lint-ignore no-explicit-any -- rows have the shape of whatever table
type Event = { eventType: string; new: any };

/** Inserts of image jobs, from the moment the service says that it reads the database. */
async function listen(client: SupabaseClient) {
  const events: Event[] = [];
  let arrived = () => {};
  const inserts = { event: "INSERT", schema: "public", table: "image_processing_jobs" } as const;
  await new Promise<void>((resolve, reject) => {
    const patience = setTimeout(() => reject(new Error("never subscribed")), 10_000);
    client.channel(`contract-${crypto.randomUUID()}`)
      .on("postgres_changes", inserts, (event) => {
        events.push(event as unknown as Event);
        arrived();
      })
      .on("system", {}, ({ message }) => {
        if (message !== "Subscribed to PostgreSQL") return;
        clearTimeout(patience);
        resolve();
      })
      .subscribe();
  });
  return {
    count: () => events.length,
    next: () =>
      new Promise<Event>((resolve, reject) => {
        const patience = setTimeout(() => reject(new Error("nothing was heard")), 30_000);
        arrived = () => {
          if (events.length === 0) return;
          clearTimeout(patience);
          resolve(events.shift()!);
        };
        arrived();
      }),
  };
}
