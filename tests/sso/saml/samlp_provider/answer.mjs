/**
 * samlp, the SAML identity provider of the Node.js world, as a program that answers one request.
 *
 * Standard input holds JSON: the query that a browser brings, our certificate, the provider's key pair, its name, who
 * signs in, and options of samlp. It prints the response in base64.
 */
import { json } from "node:stream/consumers";
import samlp from "samlp";

const asked = await json(process.stdin);

function promised(call) {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value)));
  });
}

const request = await promised((done) =>
  samlp.parseRequest(
    { query: asked.query, originalUrl: asked.url, url: asked.url, method: "GET" },
    { signingCert: asked.ourCertificate, protocolBinding: "HTTP-Redirect" },
    done,
  ),
);
const response = await promised((done) =>
  samlp.getSamlResponse(
    {
      issuer: asked.issuer,
      cert: asked.certificate,
      key: asked.key,
      audience: request.issuer,
      recipient: request.assertionConsumerServiceURL,
      destination: request.assertionConsumerServiceURL,
      inResponseTo: request.id,
      signatureAlgorithm: "rsa-sha256",
      digestAlgorithm: "sha256",
      lifetimeInSeconds: 300,
      nameIdentifierFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
      sessionIndex: "_session",
      ...asked.options,
    },
    asked.user,
    done,
  ),
);
process.stdout.write(Buffer.from(response).toString("base64"));
