/**
 * samlp as an identity provider with pages, for tests in a browser; people sign in by name, without a password.
 *
 * Standard input holds JSON: the provider's key pair and the people by name. It listens on a free port of loopback and
 * prints its address as one line. Its metadata stand at /FederationMetadata/2007-06/FederationMetadata.xml. A test says
 * what the provider's administrator would enter:
 *
 *     POST /test/trust   {"audience", "acs", "slo", "certificate"} of a service provider; nobody else is answered
 *
 * A browser that is signed in and opens /logout signs out everywhere.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { json } from "node:stream/consumers";
import samlp from "samlp";

const SessionParticipants = createRequire(import.meta.url)("samlp/lib/sessionParticipants");
const REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const METADATA = "/FederationMetadata/2007-06/FederationMetadata.xml";

const { key, certificate, people } = await json(process.stdin);
const sessions = new Map();
let trusted;

const shared = () => ({
  issuer: "urn:samlp",
  cert: certificate,
  key,
  signatureAlgorithm: "rsa-sha256",
  digestAlgorithm: "sha256",
});

/** Give Node's own request and response what samlp's middleware takes from Express. */
function dress(request, response) {
  const url = new URL(request.url, "http://unused");
  Object.assign(request, {
    originalUrl: request.url,
    protocol: "http",
    query: Object.fromEntries(url.searchParams),
    body: {},
  });
  response.set = (name, value) => response.setHeader(name, value);
  response.send = (body) => {
    if (typeof body === "number") response.writeHead(body);
    response.end(typeof body === "number" ? "" : String(body));
  };
  response.redirect = (target) => response.writeHead(302, { Location: target }).end();
  return url;
}

function sessionOf(request) {
  return sessions.get(/samlp_person=([0-9a-f]+)/.exec(request.headers.cookie ?? "")?.[1]);
}

function page(form) {
  return `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Identity provider</title>${form}</html>`;
}

function fail(response) {
  return (error) => {
    console.error(error);
    response.writeHead(400).end(String(error));
  };
}

async function signIn(request, response, url) {
  const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
  const id = randomBytes(16).toString("hex");
  sessions.set(id, { person: people[form.get("account")], index: `_${id}`, participants: [], state: {} });
  response.writeHead(303, { "Set-Cookie": `samlp_person=${id}; Path=/; HttpOnly`, Location: `/samlp${url.search}` }).end();
}

function answer(request, response) {
  const session = sessionOf(request);
  if (!session?.person) {
    const field = '<label>Account <input name="account" required autofocus></label> <button>Sign in</button>';
    response.setHeader("Content-Type", "text/html");
    response.end(page(`<form method="post">${field}</form>`));
    return;
  }
  session.participants.push({
    serviceProviderId: trusted.audience,
    sessionIndex: session.index,
    nameId: session.person.id,
    nameIdFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    serviceProviderLogoutURL: trusted.slo,
    cert: trusted.certificate,
  });
  samlp.auth({
    ...shared(),
    signingCert: trusted.certificate,
    audience: trusted.audience,
    recipient: trusted.acs,
    destination: trusted.acs,
    lifetimeInSeconds: 300,
    nameIdentifierFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    sessionIndex: session.index,
    getUserFromRequest: () => session.person,
    getPostURL: (audience, dom, asked, done) => done(null, trusted.acs),
  })(request, response, fail(response));
}

function signOut(request, response) {
  const session = sessionOf(request) ?? { participants: [], state: {} };
  request.session = session.state;
  samlp.logout({
    ...shared(),
    deflate: true,
    protocolBinding: REDIRECT,
    sessionParticipants: new SessionParticipants(session.participants),
    clearIdPSession: (done) => {
      session.person = undefined;
      done();
    },
  })(request, response, fail(response));
}

async function serve(request, response) {
  const url = dress(request, response);
  if (url.pathname === METADATA) {
    const paths = { redirectEndpointPath: "/samlp", postEndpointPath: "/samlp", logoutEndpointPaths: { redirect: "/logout" } };
    samlp.metadata({ ...shared(), ...paths })(request, response);
  } else if (url.pathname === "/test/trust") {
    trusted = await json(request);
    response.writeHead(204).end();
  } else if (url.pathname === "/samlp" && request.method === "POST") {
    await signIn(request, response, url);
  } else if (url.pathname === "/samlp") {
    answer(request, response);
  } else if (url.pathname === "/logout") {
    signOut(request, response);
  } else {
    response.writeHead(404).end();
  }
}

const server = createServer((request, response) => {
  serve(request, response).catch(fail(response));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
