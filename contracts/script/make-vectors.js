#!/usr/bin/env node
/* Writes vectors/register-example.json: calls of the contract and their return data, for programs that encode and
 * decode them by themselves; and vectors/votes.json: votes, their digests and what is evidence. Keys and the Binding with its signatures are those of vectors/eip712.json, so every value
 * comes out the same each time. test/Vectors.t.sol makes the calls and compares what comes back.
 *
 * make-vectors.js --check   exit 1 when a committed file differs */
'use strict';
const fs = require('fs');
const path = require('path');
const { AbiCoder, Interface, SigningKey, TypedDataEncoder, keccak256, toUtf8Bytes } = require('ethers');

const vectors = path.join(__dirname, '..', 'vectors');
const abi = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'abi', 'DstackMembershipNFT.json'), 'utf8'));
const eip712 = JSON.parse(fs.readFileSync(path.join(vectors, 'eip712.json'), 'utf8'));
const contract = new Interface(abi);
const { owner, app, D, N } = eip712.keys;
const binding = eip712.cases.find((c) => c.name === 'Binding');

/* Ethereum's form of a signature: v is 27 or 28. */
function signature(rsv) {
    return '0x' + rsv.slice(0, 128) + (27 + parseInt(rsv.slice(128), 16)).toString(16);
}

/* JSON has no integer above 2^53 and no tuple: decimal strings and plain objects. */
function plain(value) {
    if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
    if (Array.isArray(value)) return value.map(plain);
    if (value !== null && typeof value === 'object') {
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
    }
    return value;
}

function call(name, note, args, results) {
    const fragment = contract.getFunction(name);
    const entry = {
        function: fragment.format('sighash'),
        note,
        args: plain(args),
        calldata: contract.encodeFunctionData(fragment, args),
    };
    if (results !== undefined) {
        entry.values = plain(results);
        entry.returndata = contract.encodeFunctionResult(fragment, results);
    }
    return entry;
}

const b = { ...binding.message };
const chain = {
    appXY: '0x' + app.public_key_xy,
    appId: '0x' + app.app_id,
    appSig: signature(D.app_signature),
    kmsSig: signature(D.kms_signature),
};
const registerArgs = [
    b,
    '0x' + N.public_key_xy,
    '0x' + D.public_key_xy,
    chain,
    signature(binding.signatures.N),
    signature(binding.signatures.D),
    signature(binding.signatures.owner),
];

const other = { owner: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8', instance: '0x8899aabbccddeeff00112233445566778899aabb' };
const unregistered = {
    tokenId: 6,
    owner: other.owner,
    boundBy: '0x' + '00'.repeat(20),
    instance: other.instance,
    nodeKey: '0x',
    proofKey: '0x',
    appId: '0x' + '00'.repeat(20),
    rootEpoch: 0,
    expiresAt: 0,
    suspendedUntil: 0,
    active: false,
    weight: 1,
    nonce: 0,
    url: '',
};
const registered = {
    tokenId: 7,
    owner: b.owner,
    boundBy: b.owner,
    instance: b.instance,
    nodeKey: b.nodeKey,
    proofKey: b.proofKey,
    appId: chain.appId,
    rootEpoch: 1,
    expiresAt: b.expiresAt,
    suspendedUntil: 1789999000 + 7 * 86400,
    active: true,
    weight: 1,
    nonce: 1,
    url: b.url,
};

const state = [app.kms_root_address, 1, [chain.appId], 7, keccak256(toUtf8Bytes('revision')), 1000, keccak256(toUtf8Bytes('parent'))];
const twoApps = [app.kms_root_address, 3, [chain.appId, '0xea549f02e1a25fabd1cb788380e033ec5461b2ff'], 0, keccak256(toUtf8Bytes('revision 2')), 18446744073709551615n, keccak256(toUtf8Bytes('parent 2'))];

const renewal = eip712.cases.find((c) => c.name === 'Renewal');
const endpoint = eip712.cases.find((c) => c.name === 'Endpoint');

/* ---- votes: what members sign in consensus, and the contract reads as evidence ---- */

const voteType = { Vote: [
    { name: 'epochId', type: 'bytes32' },
    { name: 'kind', type: 'uint8' },
    { name: 'first', type: 'uint64' },
    { name: 'last', type: 'uint64' },
    { name: 'hash', type: 'bytes32' },
] };
const domain = binding.domain;
const epochId = keccak256(toUtf8Bytes('epoch'));
const [h1, h2, none] = [keccak256(toUtf8Bytes('h1')), keccak256(toUtf8Bytes('h2')), '0x' + '00'.repeat(32)];

function vote(name, kind, first, last, hash) {
    const message = { epochId, kind: String(kind), first: String(first), last: String(last), hash };
    const digest = TypedDataEncoder.hash(domain, voteType, message);
    const s = new SigningKey('0x' + N.private_key).sign(digest);
    return {
        name,
        message,
        struct_hash: TypedDataEncoder.hashStruct('Vote', voteType, message),
        digest,
        signature: s.r.slice(2) + s.s.slice(2) + (s.yParity === 0 ? '00' : '01'),
    };
}

const votes = {
    about:
        'Votes as EIP-712 statements, in the domain of eip712.json, signed by its N (v 0 or 1), and the pairs of them that are evidence. ' +
        'Made by script/make-vectors.js with ethers; all private keys are public.',
    domain,
    type: TypedDataEncoder.from(voteType).encodeType('Vote'),
    type_hash: keccak256(toUtf8Bytes(TypedDataEncoder.from(voteType).encodeType('Vote'))),
    signer: N.address,
    votes: [
        vote('CAND 5 h1', 1, 5, 5, h1),
        vote('CAND 5 h2', 1, 5, 5, h2),
        vote('NOTAR 5 h1', 2, 5, 5, h1),
        vote('NOTAR 5 h2', 2, 5, 5, h2),
        vote('FINAL 5 h1', 3, 5, 5, h1),
        vote('FINAL 5 h2', 3, 5, 5, h2),
        vote('SKIP 3 to 599', 4, 3, 599, none),
        vote('SKIP 6 to 599', 4, 6, 599, none),
    ],
    /* by their places above */
    evidence: [
        { votes: [0, 1], slot: 5 },
        { votes: [2, 3], slot: 5 },
        { votes: [4, 6], slot: 5 },
        { votes: [4, 5], slot: 5 },
        { votes: [4, 3], slot: 5 },
    ],
    no_evidence: [[2, 2], [0, 3], [0, 5], [4, 2], [4, 7], [2, 6], [6, 7]],
};
const notars = [votes.votes[2], votes.votes[3]];
const evidenceArgs = notars.flatMap((v) => [v.message, signature(v.signature)]);

const out = {
    about:
        'Calls of DstackMembershipNFT and their return data, encoded by ethers. Chain 31337, contract 0x5FbDB2315678afecb367f032d93F642f64180aa3; ' +
        'integers are decimal strings. Made by script/make-vectors.js from eip712.json; all private keys are public.',
    calls: [
        call('mintNodeAccess', 'no value when the contract owner mints', [owner.address], [7]),
        call('registerInstance', 'the instance of the Binding', [b.tokenId, b.instance]),
        call('register', 'block time in the 7 days before the deadline; sigOwner is not read when the owner sends', registerArgs),
        call('register', 'the same, sent by the owner without sigOwner', [...registerArgs.slice(0, 6), '0x']),
        call('renew', 'Renewal of eip712.json', [renewal.message, signature(renewal.signatures.owner)]),
        call('setEndpoint', 'Endpoint of eip712.json', [endpoint.message, signature(endpoint.signatures.N)]),
        call('cancel', '', [b.tokenId]),
        call('deactivateInstance', '', [b.tokenId]),
        call('burn', '', [b.tokenId]),
        call('submitEvidence', 'two NOTARs of the node key for one slot, of votes.json', evidenceArgs),
        call('addBaseDomain', 'the Binding\'s URL is under it', ['example']),
        call('setDevMode', '', [true]),
        call('bindWeight', '', [6, b.instance]),
        call('unbindWeight', '', [6]),
        call('transferFrom', '', [owner.address, other.owner, b.tokenId]),
        call('clusterState', 'one app', [], state),
        call('clusterState', 'two apps, no seat, the largest 64-bit block number', [], twoApps),
        call('membersPage', 'two seats, the first bound to an instance and not registered', [5, 2], [[unregistered, registered]]),
        call('membersPage', 'behind the end', [7, 32], [[]]),
        call('ownerOf', '', [b.tokenId], [b.owner]),
        call('nonceOf', '', [b.tokenId], [1]),
        call('rootEpochOf', '', [app.kms_root_address], [1]),
        call('instanceToToken', '', [b.instance], [7]),
        call('tokenToInstance', '', [b.tokenId], [b.instance]),
        call('weightBehind', 'none', [b.tokenId], [0]),
        call('walletToTokenId', '', [b.owner], [7]),
        call('totalSupply', '', [], [7]),
        call('owner', '', [], [owner.address]),
        call('maxNodes', '', [], [100]),
        call('publicMinting', '', [], [false]),
        call('mintPrice', '', [], [0]),
        call('mintLimit', '', [], [1]),
        call('devMode', '', [], [false]),
        call('setKmsRootAddress', '', [other.owner]),
        call('getPeerEndpoints', 'before the evidence', [], [[b.url]]),
        call('getPeerEndpoints', 'after it: a suspended seat is in no list', [], [[]]),
    ],
    reverts: [
        ['NodeKeyTaken', [7]],
        ['NonceDiffers', [1, 0]],
        ['NotTokenOwner', [7, other.owner]],
        ['ERC721NonexistentToken', [8]],
    ].map(([name, args]) => ({
        error: contract.getError(name).format('sighash'),
        args: plain(args),
        data: contract.encodeErrorResult(name, args),
    })),
    constructor_arguments: {
        types: contract.deploy.inputs.map((i) => i.type),
        values: ['nftmesh seats', 'SEAT', app.kms_root_address, [chain.appId], '100'],
        data: AbiCoder.defaultAbiCoder().encode(
            contract.deploy.inputs.map((i) => i.type),
            ['nftmesh seats', 'SEAT', app.kms_root_address, [chain.appId], 100]
        ),
    },
    selectors: Object.fromEntries(abi.filter((x) => x.type === 'function').map((x) => {
        const f = contract.getFunction(x.name + '(' + x.inputs.map((i) => canonical(i)).join(',') + ')');
        return [f.format('sighash'), f.selector];
    })),
    errors: Object.fromEntries(abi.filter((x) => x.type === 'error').map((x) => {
        const e = contract.getError(x.name);
        return [e.format('sighash'), e.selector];
    })),
    topics: Object.fromEntries(abi.filter((x) => x.type === 'event').map((x) => {
        const e = contract.getEvent(x.name);
        return [e.format('sighash'), e.topicHash];
    })),
};

function canonical(input) {
    if (!input.type.startsWith('tuple')) return input.type;
    return '(' + input.components.map(canonical).join(',') + ')' + input.type.slice('tuple'.length);
}

const files = { 'register-example.json': out, 'votes.json': votes };
for (const [name, content] of Object.entries(files)) {
    const file = path.join(vectors, name);
    const text = JSON.stringify(content, null, 1) + '\n';
    if (!process.argv.includes('--check')) {
        fs.writeFileSync(file, text);
    } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
        console.error(`vectors/${name} differs: run \`node script/make-vectors.js\` and commit it`);
        process.exit(1);
    }
}
