/**
 * Keeps the page for visits without a network, and isolates it where the server does not, so that it may use threads.
 *
 * Files come from the network where there is one, so that a new version shows at once.
 */

const KEPT = "relight-1";
const PAGE = [
  "./",
  "app.js",
  "app.webmanifest",
  "ball.js",
  "core/colour.js",
  "core/faces.js",
  "core/harmonics.js",
  "core/light.js",
  "core/lightness.js",
  "core/network.js",
  "core/numbers.js",
  "core/pace.js",
  "core/person.js",
  "core/places.js",
  "core/planes.js",
  "core/portrait.js",
  "core/scene.js",
  "core/transfer.js",
  "core/turning.js",
  "divider.svg",
  "example.jpg",
  "helper.js",
  "icon-192.png",
  "icon-512.png",
  "icon.svg",
  "models/manifest.json",
  "runtime.js",
  "style.css",
  "tilt.js",
  "vendor/litert/index.js",
  "vendor/litert/wasm-utils.js",
  "worker.js",
];

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(keep(PAGE));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== KEPT && name.startsWith("relight-")) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("message", (event) => {
  // Only what belongs to the page is kept.
  const urls = (event.data?.keep ?? []).filter((url) => new URL(url).origin === location.origin);
  event.waitUntil(keep(urls).then(() => event.source?.postMessage({ kept: urls.length })));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  event.respondWith(answer(request));
});

async function keep(urls) {
  const cache = await caches.open(KEPT);
  await Promise.all(
    urls.map(async (url) => {
      if (!(await cache.match(url, { ignoreSearch: true }))) await cache.add(new Request(url, { cache: "no-cache" }));
    }),
  );
}

async function answer(request) {
  const cache = await caches.open(KEPT);
  try {
    const response = await fetch(request);
    if (response.ok && (await cache.match(request, { ignoreSearch: true }))) {
      await cache.put(new URL(request.url).origin + new URL(request.url).pathname, response.clone());
    }
    return isolated(response);
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return isolated(kept);
    throw error;
  }
}

function isolated(response) {
  if (response.type === "opaque" || !response.ok) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
