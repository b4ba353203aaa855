#!/usr/bin/env node
/* abi/DstackMembershipNFT.json is the ABI of the contract as built: run after forge build.
 *
 * check-abi.js           exit 1 when the committed file differs from the build's
 * check-abi.js --write   write it */
'use strict';
const fs = require('fs');
const path = require('path');

const built = path.join(__dirname, 'out', 'DstackMembershipNFT.sol', 'DstackMembershipNFT.json');
const committed = path.join(__dirname, 'abi', 'DstackMembershipNFT.json');

if (!fs.existsSync(built)) {
    console.error(`${path.relative(process.cwd(), built)} is missing: run forge build first`);
    process.exit(1);
}
const text = JSON.stringify(JSON.parse(fs.readFileSync(built, 'utf8')).abi, null, 2) + '\n';
if (process.argv.includes('--write')) {
    fs.writeFileSync(committed, text);
} else if (!fs.existsSync(committed) || fs.readFileSync(committed, 'utf8') !== text) {
    console.error('abi/DstackMembershipNFT.json differs from the build: run `node check-abi.js --write` and commit it');
    process.exit(1);
}
