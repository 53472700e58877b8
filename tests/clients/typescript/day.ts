// A day of a store, with the client that openapi-typescript generates and nothing else: no cast, no `any`.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Package = components["schemas"]["Package"];

const baseUrl = process.argv[2];
const [username, password] = ["client", "a password of the demo"];

function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`there is no ${what}`);
  return value;
}

async function main(): Promise<void> {
  // Lists answer files too, where they are asked for: this client asks for JSON alone.
  const visitor = createClient<paths, "application/json">({ baseUrl });
  const login = await visitor.POST("/api/v1/auth/login/", { body: { username, password } });
  const { key } = must(login.data, "token");
  const client = createClient<paths, "application/json">({ baseUrl, headers: { Authorization: `Token ${key}` } });

  const list = await client.GET("/api/v1/oms/packages/", {
    params: { query: { state__enum_value: "100", limit: 2, sort: "id" } },
  });
  const page = must(list.data, "page of packages");
  console.log(`${page.count} packages wait; the next page is ${page.next ?? "none"}`);
  const waiting: Package = must(page.results[0], "package that waits");
  const id = waiting.id;

  const slug = (shown: Package, command: string): string =>
    must(shown.commands.find((allowed) => allowed.command === command), command).slug;
  const read = async (): Promise<Package> =>
    must((await client.GET("/api/v1/oms/packages/{id}/", { params: { path: { id } } })).data, "package");
  const path = { id };

  const tried = await client.POST("/api/v1/oms/packages/{id}/command/", {
    params: { path, query: { dry_run: true } },
    body: { slug: slug(waiting, "COMPLETE_PACKING") },
  });
  const told = must(tried.data, "answer to a dry run");
  if (!told.effects) throw new Error("a dry run was asked for");
  console.log(`packing would answer ${told.status_code} and lead to ${told.effects.state.to.slug}`);

  const packed = await client.POST("/api/v1/oms/packages/{id}/command/", {
    params: { path },
    body: { slug: slug(waiting, "COMPLETE_PACKING"), input_parameters: { sync_remote_order_status: false } },
  });
  const answer = must(packed.data, "answer to packing");
  if (answer.effects) throw new Error("a dry run was not asked for");
  console.log(`${answer.package_number} is packed at ${answer.package_stock_location_name}`);

  // Packed once, it cannot be packed again: 406, and the code says why.
  const again = await client.POST("/api/v1/oms/packages/{id}/command/", {
    params: { path },
    body: { slug: slug(waiting, "COMPLETE_PACKING") },
  });
  if (again.response.status !== 406) throw new Error(`packing again answered ${again.response.status}`);
  const refusal = must(again.error, "refusal").error;
  if (!("error_code" in refusal) || refusal.error_code !== "commands_100_1") throw new Error("another refusal");
  console.log(`refused with ${refusal.error_code}`);

  await client.POST("/api/v1/oms/packages/{id}/command/", {
    params: { path },
    body: { slug: slug(await read(), "SHIP_THE_PACKAGE") },
  });
  const delivered = await client.POST("/api/v1/oms/packages/{id}/command/", {
    params: { path },
    body: {
      slug: slug(await read(), "UPDATE_PACKAGE_SHIPMENT_STATUS"),
      input_parameters: { package: id, delivered_status: true },
    },
  });
  if (delivered.response.status !== 204) throw new Error(`delivering answered ${delivered.response.status}`);
  const state = (await read()).state;
  if (state.enum_value !== "700") throw new Error(`it is ${state.name}`);
  console.log(`it is ${state.name}`);

  const hook = await client.POST("/whisperer/hooks/", {
    body: {
      target_url: `https://example.com/typescript-${Date.now()}`,
      event_type: "package.created",
      retry_countdown_config: { choice: "fixed", kwargs: { seconds: 60 } },
    },
  });
  const hookId = must(hook.data, "webhook").id;
  const paused = await client.PATCH("/whisperer/hooks/{id}/", {
    params: { path: { id: hookId } },
    body: { is_active: false },
  });
  if (must(paused.data, "webhook").is_active) throw new Error("it is still active");
  console.log(`webhook ${hookId} is paused`);

  let after: string | undefined;
  const seen: string[] = [];
  for (let pages = 0; pages < 100 && !seen.includes("package.status.packed"); pages += 1) {
    const feed = await client.GET("/api/v1/oms/events/", { params: { query: { after, entity: "package", object_id: id } } });
    const events = must(feed.data, "events");
    for (const event of events.results) {
      if (event.entity === "package" && event.payload.number === waiting.number) seen.push(event.event.type);
    }
    after = events.cursor;
    if (events.results.length === 0) break;
  }
  if (!seen.includes("package.status.packed")) throw new Error(`the feed told ${seen.join(", ")}`);
  console.log(`the feed told ${seen.join(", ")}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
