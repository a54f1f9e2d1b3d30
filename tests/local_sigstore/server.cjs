// SPDX-License-Identifier: Apache-2.0
// A Sigstore on loopback for tests: the handlers of @sigstore/mock behind node's own HTTP server.
//
// Started as `node server.cjs FOLDER_WITH_NODE_MODULES`. Writes one line of JSON to stdout (url, keys, roots)
// when it listens, and ends when its stdin closes, so that it never outlives the tests that started it.
//
// Three adaptations. The handlers were made for Sigstore's JavaScript client: the Python client sends the token
// as `Authorization: Bearer` and the CSR as base64 of PEM, and the handler wants both in its JSON. And the
// handler logs a proposed entry as it came, where Rekor checks a DSSE entry and logs its digests.
'use strict';

const http = require('node:http');
const crypto = require('node:crypto');
const path = require('node:path');

const folder = path.resolve(process.argv[2]);
const mock = require(require.resolve('@sigstore/mock', { paths: [folder] }));

const MAX_BODY = 64 * 1024 * 1024;
const newKey = () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key) => key.export({ format: 'pem', type: 'pkcs8' });
const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

function readBody(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size > MAX_BODY) reject(new Error('body too large'));
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks).toString()));
    request.on('error', reject);
  });
}

// What the Python client sends, put as the JavaScript client would have put it.
function adaptCertificateRequest(request, body) {
  const document = JSON.parse(body);
  const token = (request.headers.authorization || '').replace(/^Bearer /, '');
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
  const csr = Buffer.from(document.certificateSigningRequest, 'base64').toString();
  return {
    subjectClaim: claims.email ? 'email' : 'certificate_subject',
    body: JSON.stringify({ certificateSigningRequest: csr, credentials: { oidcIdentityToken: token } }),
  };
}

// An OpenID provider in which everybody is already logged in as the same person, without a question.
function login(url, request) {
  const asked = new URL(request.url, url);
  if (request.method === 'GET' && asked.pathname === '/.well-known/openid-configuration') {
    return { json: { authorization_endpoint: `${url}/login`, token_endpoint: `${url}/token` } };
  }
  if (request.method === 'GET' && asked.pathname === '/login') {
    const back = new URL(asked.searchParams.get('redirect_uri'));
    back.searchParams.set('state', asked.searchParams.get('state'));
    back.searchParams.set('code', 'one-time-code');
    return { redirect: back.toString() };
  }
  if (request.method === 'POST' && asked.pathname === '/token') {
    const now = Math.floor(Date.now() / 1000);
    const who = { sub: 'browser@example.org', email: 'browser@example.org', email_verified: true };
    const claims = { iss: url, aud: 'sigstore', iat: now, exp: now + 600, ...who };
    const parts = [{ alg: 'RS256', typ: 'JWT' }, claims].map((part) => JSON.stringify(part));
    return { json: { access_token: [...parts, 'unsigned'].map((t) => Buffer.from(t).toString('base64url')).join('.') } };
  }
  return null;
}

// What Rekor logs of a proposed DSSE entry (sigstore/rekor, pkg/types/dsse/v0.0.1), after checking the signature.
function canonicalizeEntry(body) {
  const proposed = JSON.parse(body);
  if (proposed.kind !== 'dsse') return body;
  const { envelope, verifiers } = proposed.spec.proposedContent;
  const { payload, payloadType, signatures } = JSON.parse(envelope);
  const bytes = Buffer.from(payload, 'base64');
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${bytes.length} `), bytes]);
  if (signatures.length !== 1 || verifiers.length !== 1) throw new Error('one signature, one verifier');
  const certificate = crypto.createPublicKey(Buffer.from(verifiers[0], 'base64'));
  if (!crypto.verify('sha256', pae, certificate, Buffer.from(signatures[0].sig, 'base64'))) {
    throw new Error('the signature does not hold');
  }
  const spec = {
    envelopeHash: { algorithm: 'sha256', value: sha256(Buffer.from(envelope)) },
    payloadHash: { algorithm: 'sha256', value: sha256(bytes) },
    signatures: [{ signature: signatures[0].sig, verifier: verifiers[0] }],
  };
  return JSON.stringify({ apiVersion: proposed.apiVersion, kind: proposed.kind, spec });
}

async function main() {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;

  const ctLog = await mock.initializeCTLog(newKey());
  const ca = await mock.initializeCA(newKey(), ctLog);
  const rekorKey = newKey();
  const rekor = await mock.initializeTLog(url, rekorKey);
  const subjects = ['email', 'certificate_subject'];
  const fulcio = Object.fromEntries(subjects.map((name) => [name, mock.fulcioHandler(ca, { subjectClaim: name })]));
  const entries = mock.rekorHandler(rekor);

  server.on('request', async (request, response) => {
    try {
      let body = await readBody(request);
      const answered = login(url, request);
      if (answered !== null) {
        const headers = answered.redirect ? { Location: answered.redirect } : { 'Content-Type': 'application/json' };
        response.writeHead(answered.redirect ? 302 : 200, headers).end(JSON.stringify(answered.json || ''));
        return;
      }
      let handler = null;
      if (request.method === 'POST' && request.url === fulcio.email.path) {
        const adapted = adaptCertificateRequest(request, body);
        body = adapted.body;
        handler = fulcio[adapted.subjectClaim];
      } else if (request.method === 'POST' && request.url.replace(/\/$/, '') === entries.path) {
        body = canonicalizeEntry(body);
        handler = entries;
      }
      if (handler === null) {
        response.writeHead(404).end();
        return;
      }
      const answer = await handler.fn(body);
      response.writeHead(answer.statusCode, { 'Content-Type': answer.contentType || 'text/plain' });
      response.end(answer.response);
    } catch (error) {
      response.writeHead(400, { 'Content-Type': 'text/plain' }).end(String(error));
    }
  });

  const ready = {
    url,
    root_certificate: base64(ca.rootCertificate),
    ct_public_key: base64(ctLog.publicKey),
    ct_log_id: base64(ctLog.logID),
    rekor_public_key: base64(rekor.publicKey),
    rekor_private_key: pem(rekorKey.privateKey),
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
