// The official DStack client against `nftmesh simulator`: what it is told, and that the signature
// chain which it gets verifies by code that shares nothing with ours.
//
//   node tests/npm/dstack-client.mjs     NFTMESH_BUILD names the build directory, default <root>/build
//
// Prints `ok NAME` or `not ok NAME: why`, one line each; exit 0 when all are ok. `npm ci` first.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPublicKey, verify as verifyDer } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { DstackClient, TappdClient } from '@phala/dstack-sdk';
import { ed25519 } from '@noble/curves/ed25519';
import { secp256k1 } from '@noble/curves/secp256k1';
import { sha256 } from '@noble/hashes/sha256';
import { keccak_256 } from '@noble/hashes/sha3';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.NFTMESH_BUILD ?? join(root, 'build');
const START_MS = 10_000;

console.warn = () => {}; // the client's remarks that it is deprecated

// ---- the verifier: steps 1 to 7 for a chain, with constants of its own ----

const N = secp256k1.CURVE.n;

function addressOf(compressed) {
  const xy = secp256k1.ProjectivePoint.fromHex(compressed).toRawBytes(false).slice(1);
  return '0x' + bytesToHex(keccak_256(xy).slice(12));
}

function checkSignature(sig, which) {
  const r = BigInt('0x' + bytesToHex(sig.slice(0, 32)));
  const s = BigInt('0x' + bytesToHex(sig.slice(32, 64)));
  if (sig[64] > 1) throw new Error(`${which}: recovery id ${sig[64]}`);
  if (r < 1n || r >= N) throw new Error(`${which}: r out of range`);
  if (s < 1n || s > N / 2n) throw new Error(`${which}: s out of range`);
}

function recover(digest, sig) {
  const point = secp256k1.Signature.fromCompact(sig.slice(0, 64)).addRecoveryBit(sig[64])
    .recoverPublicKey(digest);
  return point.toRawBytes(true);
}

// Throws with the reason; returns the app key that joins the two signatures. An Ed25519 public key
// of 32 bytes is signed in the same way.
function verifyChain({ purpose, publicKey, chain, appId }, trust) {
  const [appSig, kmsSig] = chain;
  if (chain.length !== 2 || appSig.length !== 65 || kmsSig.length !== 65 || appId.length !== 20)
    throw new Error('length');
  if (publicKey.length !== trust.publicKeyBytes) throw new Error('length of the public key');
  if (purpose !== trust.purpose) throw new Error('purpose');
  if (publicKey.length === 33) secp256k1.ProjectivePoint.fromHex(publicKey).assertValidity();
  checkSignature(appSig, 'app signature');
  checkSignature(kmsSig, 'KMS signature');
  const appKey = recover(keccak_256(utf8ToBytes(`${purpose}:${bytesToHex(publicKey)}`)), appSig);
  const message = concatBytes(utf8ToBytes('dstack-kms-issued:'), appId, appKey);
  assert.equal(message.length, 71);
  const rootAddress = addressOf(recover(keccak_256(message), kmsSig));
  if (rootAddress !== trust.root.toLowerCase() || /^0x0*$/.test(rootAddress))
    throw new Error(`KMS root: ${rootAddress}`);
  if (bytesToHex(appId) !== trust.appId) throw new Error('app id');
  return appKey;
}

// ---- the simulator: one process, two virtual machines ----

const dir = mkdtempSync(join(tmpdir(), 'nftmesh-dstack-'));
const sockets = [join(dir, 'one.sock'), join(dir, 'two.sock')];

function startSimulator() {
  const args = ['simulator', ...sockets.flatMap((s) => ['--socket', s])];
  const child = spawn(join(build, 'nftmesh'), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((done, failed) => {
    let said = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    child.on('error', failed);
    child.on('exit', (code, signal) => failed(new Error(`ended with ${code ?? signal}: ${said}`)));
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (!/^ready$/m.test(said)) return;
      clearTimeout(timer);
      child.removeAllListeners('exit');
      done({ child, said });
    });
  });
}

function stopSimulator(child) {
  return new Promise((done) => {
    child.on('exit', (code, signal) => done(code ?? signal));
    child.kill('SIGTERM');
  });
}

// Facts of each instance as the simulator prints them.
function printedFacts(said) {
  const all = (label) => [...said.matchAll(new RegExp(`^ +${label} +(\\S+)`, 'gm'))].map((m) => m[1]);
  return { appIds: all('app id'), instances: all('instance id'), roots: all('KMS root') };
}

function request(method, path, body) {
  return new Promise((done, failed) => {
    const req = http.request({ socketPath: sockets[0], method, path }, (res) => {
      let text = '';
      res.on('data', (chunk) => { text += chunk; });
      res.on('end', () => done({ status: res.statusCode, json: JSON.parse(text) }));
    });
    req.on('error', failed);
    req.end(body);
  });
}

// ---- the tests ----

const tests = [];
const test = (name, run) => tests.push({ name, run });
const purpose = 'nftmesh-node-v1';
const path = 'nftmesh/31337/0x5fbdb2315678afecb367f032d93f642f64180aa3/' + '11'.repeat(20);

function trustOf(ctx, overrides) {
  return { purpose, root: ctx.facts.roots[0], appId: ctx.facts.appIds[0], publicKeyBytes: 33,
    ...overrides };
}

async function getChain(ctx, keyPath = path, keyPurpose = purpose) {
  const answer = await ctx.clients[0].getKey(keyPath, keyPurpose);
  const info = await ctx.clients[0].info();
  return { key: answer.key, purpose: keyPurpose, chain: answer.signature_chain,
    publicKey: secp256k1.getPublicKey(answer.key, true), appId: hexToBytes(info.app_id) };
}

test('info says what the simulator prints', async (ctx) => {
  for (const i of [0, 1]) {
    const info = await ctx.clients[i].info();
    assert.equal(info.app_id, ctx.facts.appIds[i]);
    assert.equal(info.instance_id, ctx.facts.instances[i]);
    assert.equal(info.app_name, 'nftmesh-simulator');
    for (const register of ['mrtd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'])
      assert.match(info.tcb_info[register], /^[0-9a-f]{96}$/);
    assert.ok(info.tcb_info.event_log.length > 0);
    assert.equal(bytesToHex(sha256(info.tcb_info.app_compose)), info.compose_hash);
  }
});

test('two instances: one app, one root, two instance ids', async (ctx) => {
  assert.equal(ctx.facts.appIds[0], ctx.facts.appIds[1]);
  assert.equal(ctx.facts.roots[0], ctx.facts.roots[1]);
  assert.notEqual(ctx.facts.instances[0], ctx.facts.instances[1]);
});

test('the chain verifies by independent code', async (ctx) => {
  const appKey = verifyChain(await getChain(ctx), trustOf(ctx));
  assert.equal(appKey.length, 33);
});

test('chains of other paths and purposes have the same app key', async (ctx) => {
  const want = verifyChain(await getChain(ctx), trustOf(ctx));
  for (const [p, q] of [['', ''], ['wallet/ethereum', 'ethereum'], ['a'.repeat(4096), 'a:b']]) {
    const got = verifyChain(await getChain(ctx, p, q), trustOf(ctx, { purpose: q }));
    assert.deepEqual(got, want);
  }
});

test('a flipped bit anywhere is refused', async (ctx) => {
  const good = await getChain(ctx);
  const trust = trustOf(ctx);
  const flip = (bytes, at) => bytes.map((b, i) => (i === at ? b ^ 1 : b));
  let count = 0;
  const refused = (bad) => { assert.throws(() => verifyChain(bad, trust)); count++; };
  for (let i = 0; i < 65; i++) {
    refused({ ...good, chain: [flip(good.chain[0], i), good.chain[1]] });
    refused({ ...good, chain: [good.chain[0], flip(good.chain[1], i)] });
  }
  for (let i = 0; i < 33; i++) refused({ ...good, publicKey: flip(good.publicKey, i) });
  for (let i = 0; i < 20; i++) refused({ ...good, appId: flip(good.appId, i) });
  assert.equal(count, 65 + 65 + 33 + 20);
});

test('another root, purpose or app, an exchanged pair and a high s are refused', async (ctx) => {
  const good = await getChain(ctx);
  const other = await getChain(ctx, path, 'wallet');
  const highS = (sig) => {
    const s = N - BigInt('0x' + bytesToHex(sig.slice(32, 64)));
    return concatBytes(sig.slice(0, 32), hexToBytes(s.toString(16).padStart(64, '0')),
      Uint8Array.of(sig[64] ^ 1));
  };
  const refused = (bad, trust, why) => assert.throws(() => verifyChain(bad, trust), why);
  refused(good, trustOf(ctx, { root: '0x' + '11'.repeat(20) }), /KMS root/);
  refused(good, trustOf(ctx, { root: '0x' + '00'.repeat(20) }), /KMS root/);
  refused(good, trustOf(ctx, { appId: '11'.repeat(20) }), /app id/);
  refused(other, trustOf(ctx), /purpose/);
  refused({ ...other, purpose }, trustOf(ctx), /KMS root/);
  refused({ ...good, chain: [good.chain[1], good.chain[0]] }, trustOf(ctx), /./);
  refused({ ...good, chain: [highS(good.chain[0]), good.chain[1]] }, trustOf(ctx), /s out of range/);
  refused({ ...good, chain: [good.chain[0], highS(good.chain[1])] }, trustOf(ctx), /s out of range/);
  refused({ ...good, chain: [good.chain[0].slice(0, 64), good.chain[1]] }, trustOf(ctx), /length/);
});

test('every instance of an app gives the same key for a path', async (ctx) => {
  const [one, two] = await Promise.all(ctx.clients.map((c) => c.getKey(path, purpose)));
  assert.deepEqual(one.key, two.key);
  assert.deepEqual(one.signature_chain, two.signature_chain);
  const other = await ctx.clients[0].getKey(path + '/other', purpose);
  assert.notDeepEqual(other.key, one.key);
});

test('an ed25519 key and its chain', async (ctx) => {
  const answer = await ctx.clients[0].getKey('wallet/solana', 'solana', 'ed25519');
  const same = await ctx.clients[0].getKey('wallet/solana', 'solana');
  assert.deepEqual(answer.key, same.key);
  const chain = { purpose: 'solana', publicKey: ed25519.getPublicKey(answer.key),
    chain: answer.signature_chain, appId: hexToBytes(ctx.facts.appIds[0]) };
  const trust = trustOf(ctx, { purpose: 'solana', publicKeyBytes: 32 });
  assert.deepEqual(verifyChain(chain, trust), verifyChain(await getChain(ctx), trustOf(ctx)));
  chain.publicKey = ed25519.getPublicKey(sha256(answer.key));
  assert.throws(() => verifyChain(chain, trust), /KMS root/);
});

// A version 4 quote: header and body are 632 bytes, then a length, then the P-256 signature over
// them and the attestation key.
function quoteVerifies(quote) {
  const b64 = (bytes) => Buffer.from(bytes).toString('base64url');
  const key = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256',
    x: b64(quote.slice(700, 732)), y: b64(quote.slice(732, 764)) } });
  return verifyDer('sha256', quote.slice(0, 632), { key, dsaEncoding: 'ieee-p1363' },
    quote.slice(636, 700));
}

test('a quote carries the report data at 568 and does not verify', async (ctx) => {
  const data = utf8ToBytes('nftmesh');
  const answer = await ctx.clients[0].getQuote(data);
  const quote = Buffer.from(answer.quote, 'hex');
  const recorded = Buffer.from(
    readFileSync(join(root, 'node/simulator_data/quote.hex'), 'utf8').trim(), 'hex');
  const want = Buffer.concat([data, Buffer.alloc(64 - data.length)]);
  assert.deepEqual(quote.subarray(568, 632), want);
  assert.equal(answer.report_data, want.toString('hex'));
  assert.equal(quoteVerifies(recorded), true);
  assert.equal(quoteVerifies(quote), false);
  recorded.copy(quote, 568, 568, 632);
  assert.deepEqual(quote, recorded);
  assert.equal(answer.replayRtmrs().length, 4);
});

test('report data above 64 bytes is refused', async (ctx) => {
  await assert.rejects(ctx.clients[0].getQuote(new Uint8Array(65)), /too large/);
  const answer = await request('POST', '/GetQuote', JSON.stringify({ report_data: '00'.repeat(65) }));
  assert.equal(answer.status, 400);
  assert.match(answer.json.error, /too long/);
});

test('version', async (ctx) => {
  assert.equal((await ctx.clients[0].version()).version, '0.5.8');
});

test('sign and verify, here and there', async (ctx) => {
  const [client] = ctx.clients;
  const data = utf8ToBytes('a message');
  for (const [algorithm, signed] of [['secp256k1', data], ['secp256k1_prehashed', sha256(data)]]) {
    const answer = await client.sign(algorithm, signed);
    assert.equal(answer.signature.length, 64);
    assert.ok(secp256k1.verify(answer.signature, sha256(data), answer.public_key));
    assert.deepEqual(answer.signature_chain[0], answer.signature);
    verifyChain({ purpose: 'signing', publicKey: answer.public_key,
      chain: answer.signature_chain.slice(1), appId: hexToBytes(ctx.facts.appIds[0]) },
    trustOf(ctx, { purpose: 'signing' }));
    const ask = (d, s) => client.verify(algorithm, d, s, answer.public_key).then((v) => v.valid);
    assert.equal(await ask(signed, answer.signature), true);
    assert.equal(await ask(signed.map((b, i) => (i ? b : b ^ 1)), answer.signature), false);
    assert.equal(await ask(signed, answer.signature.map((b, i) => (i ? b : b ^ 1))), false);
  }
});

test('an unsupported algorithm is an error', async (ctx) => {
  await assert.rejects(ctx.clients[0].getKey(path, purpose, 'rsa')); // the client looks at no status
  const answer = await request('POST', '/GetKey', JSON.stringify({ path, algorithm: 'rsa' }));
  assert.deepEqual(answer, { status: 400, json: { error: 'Unsupported algorithm' } });
});

test('an error reaches the caller in the agent\'s words', async (ctx) => {
  await assert.rejects(ctx.clients[0].attest('x'), /method not found, or not simulated/);
});

test('emitEvent is taken and changes nothing', async (ctx) => {
  const before = await ctx.clients[0].info();
  await ctx.clients[0].emitEvent('an-event', 'payload');
  assert.deepEqual(await ctx.clients[0].info(), before);
});

test('GET with a query is the same call', async (ctx) => {
  const query = new URLSearchParams({ path, purpose });
  const answer = await request('GET', `/GetKey?${query}`);
  assert.equal(answer.status, 200);
  const want = await ctx.clients[0].getKey(path, purpose);
  assert.equal(answer.json.key, bytesToHex(want.key));
});

test('the endpoint from the environment', async (ctx) => {
  process.env.DSTACK_SIMULATOR_ENDPOINT = sockets[1];
  assert.equal((await new DstackClient().info()).instance_id, ctx.facts.instances[1]);
  delete process.env.DSTACK_SIMULATOR_ENDPOINT;
});

test('60 calls at once on both sockets', async (ctx) => {
  const calls = Array.from({ length: 60 }, (_, i) => ctx.clients[i % 2].getKey(`k/${i % 10}`, purpose));
  const keys = new Set((await Promise.all(calls)).map((a) => bytesToHex(a.key)));
  assert.equal(keys.size, 10);
});

test('the legacy client reaches, asks and quotes', async (ctx) => {
  const tappd = new TappdClient(sockets[0]);
  assert.equal(await tappd.isReachable(), true);
  const raw = await tappd.tdxQuote('00ff', 'raw'); // it pads on the left
  const padded = Buffer.from('00ff').toString('hex').padStart(128, '0');
  assert.equal(raw.quote.slice(2 * 568, 2 * 632), padded);
  const hashed = await tappd.tdxQuote('00ff', 'sha256');
  const want = bytesToHex(sha256(utf8ToBytes('app-data:00ff'))).padEnd(128, '0');
  assert.equal(hashed.quote.slice(2 * 568, 2 * 632), want);
  await assert.rejects(tappd.tdxQuote('00ff', 'sha512'), /not simulated/);
});

test('the legacy key has the same chain', async (ctx) => {
  const answer = await request('POST', '/prpc/Tappd.DeriveK256Key', JSON.stringify({ path, purpose }));
  const good = await getChain(ctx);
  assert.equal(answer.json.k256_key, bytesToHex(good.key));
  assert.deepEqual(answer.json.k256_signature_chain, good.chain.map(bytesToHex));
});

test('isReachable, and not after the end', async (ctx) => {
  for (const client of ctx.clients) assert.equal(await client.isReachable(), true);
  assert.equal(await stopSimulator(ctx.child), 0);
  ctx.stopped = true;
  for (const client of ctx.clients) assert.equal(await client.isReachable(), false);
  assert.throws(() => new DstackClient(sockets[0]), /does not exist/);
});

const ctx = {};
let failed = 0;
try {
  const { child, said } = await startSimulator();
  Object.assign(ctx, { child, facts: printedFacts(said), stopped: false });
  ctx.clients = sockets.map((s) => new DstackClient(s));
  for (const { name, run } of tests) {
    try {
      await run(ctx);
      console.log(`ok dstack client: ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok dstack client: ${name}: ${String(error.stack).replace(/\s*\n\s*/g, ' | ')}`);
    }
  }
} catch (error) {
  failed++;
  console.log(`not ok dstack client: start the simulator: ${error.message}`);
} finally {
  if (ctx.child && !ctx.stopped) await stopSimulator(ctx.child);
  rmSync(dir, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
