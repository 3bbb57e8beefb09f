/**
 * An OpenID provider for the tests of single sign-on: oidc-provider, where people sign in by name, without a password.
 *
 * Standard input holds the configuration, as JSON, up to its end:
 *
 *     {"port": 0, "clients": [{"client_id": ..., "redirect_uris": [...], ...}], "accounts": {NAME: {"sub", "claims"}}}
 *
 * It listens on loopback only (port 0, the default, takes a free one) and prints its issuer as one line when it is
 * ready. A client is what dynamic registration would take (RFC 7591); a name that no account has signs in as a person
 * who has no claims. While it runs, a test may order:
 *
 *     POST /test/rotate      new signing keys; the old ones are gone from the JWKS
 *     POST /test/configure   other clients or accounts, as JSON; what is not named stays
 *     GET /test/refresh      the refresh tokens that were given, as JSON
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { Provider } from "oidc-provider";
import MemoryAdapter from "oidc-provider/lib/adapters/memory_adapter.js";

const COOKIE_SECRET = randomBytes(32).toString("hex");
const MINUTE = 60;

const state = { clients: [], accounts: {}, keys: [], refreshTokens: [], issuer: "", provider: undefined };

function signingKeys() {
  const suffix = randomBytes(8).toString("hex");
  const pairs = {
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  };
  return Object.entries(pairs).map(([alg, { privateKey }]) => ({
    ...privateKey.export({ format: "jwk" }),
    kid: `${alg}-${suffix}`,
    alg,
    use: "sig",
  }));
}

function findAccount(_, sub) {
  const account = Object.values(state.accounts).find((candidate) => candidate.sub === sub);
  return { accountId: sub, claims: () => ({ ...account?.claims, sub }) };
}

/** An adapter that is named shares the store of its module: a provider that is built anew knows sessions and tokens. */
function build() {
  state.provider = new Provider(state.issuer, {
    adapter: (model) => new MemoryAdapter(model),
    clients: state.clients,
    jwks: { keys: state.keys },
    findAccount,
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"], groups: ["groups"] },
    conformIdTokenClaims: false, // the ID token carries the claims of the scopes, as most vendors have it
    cookies: { keys: [COOKIE_SECRET] },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true, logoutSource: logoutPage },
      backchannelLogout: { enabled: true },
    },
    // Its own dispatcher refuses addresses inside, where these tests are.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    // Many providers give one to whoever may use it, asked for or not.
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed("refresh_token"),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    responseTypes: ["code"],
    pkce: { required: () => true },
    renderError: (ctx, out) => {
      ctx.type = "text";
      ctx.body = `${out.error}: ${out.error_description ?? ""}`;
    },
    ttl: {
      AccessToken: 10 * MINUTE,
      AuthorizationCode: MINUTE,
      Grant: 60 * MINUTE,
      IdToken: 10 * MINUTE,
      Interaction: 10 * MINUTE,
      RefreshToken: 60 * MINUTE,
      Session: 60 * MINUTE,
    },
  });
  state.provider.on("refresh_token.saved", (token) => state.refreshTokens.push(token.jti));
}

function page(form) {
  return `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Identity provider</title>${form}</html>`;
}

function logoutPage(ctx, form) {
  ctx.type = "html";
  ctx.body = page(`${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`);
}

function interactionPage({ uid, prompt }) {
  const field =
    prompt.name === "login"
      ? '<label>Account <input name="account" required autofocus></label> <button>Sign in</button>'
      : "<button>Allow</button>";
  return page(`<form method="post" action="/interaction/${uid}">${field}</form>`);
}

/** Return what a submitted form means to oidc-provider: who signed in, or the grant of all that was asked for. */
async function interactionResult({ prompt, params, session, grantId }, form) {
  if (prompt.name === "login") {
    const name = form.get("account");
    return { login: { accountId: state.accounts[name]?.sub ?? name } };
  }
  const { Grant } = state.provider;
  const grant = grantId
    ? await Grant.find(grantId)
    : new Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(" "));
  grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
  return { consent: { grantId: await grant.save() } };
}

async function interact(request, response) {
  const details = await state.provider.interactionDetails(request, response);
  if (request.method === "GET") {
    response.setHeader("Content-Type", "text/html; charset=utf-8").end(interactionPage(details));
    return;
  }
  const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
  const result = await interactionResult(details, form);
  await state.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

async function answer(request, response) {
  if (request.url.startsWith("/interaction/")) {
    await interact(request, response);
  } else if (request.method === "POST" && request.url === "/test/rotate") {
    state.keys = signingKeys();
    build();
    response.writeHead(204).end();
  } else if (request.method === "POST" && request.url === "/test/configure") {
    const { clients = state.clients, accounts = state.accounts } = await json(request);
    Object.assign(state, { clients, accounts });
    build();
    response.writeHead(204).end();
  } else if (request.url === "/test/refresh") {
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(state.refreshTokens));
  } else {
    await state.provider.callback()(request, response);
  }
}

const { port = 0, clients, accounts } = await json(process.stdin);
Object.assign(state, { clients, accounts, keys: signingKeys() });
const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end(String(error));
  });
});
server.listen(port, "127.0.0.1", () => {
  state.issuer = `http://127.0.0.1:${server.address().port}`;
  build();
  console.log(state.issuer);
});
