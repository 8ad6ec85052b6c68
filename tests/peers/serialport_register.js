// A register on the npm package serialport, and its customer by the control API: fetch and a pty, no more.
//   node serialport_register.js http://127.0.0.1:8765 /dev/pts/3
// Sells with a PIN, then once more with an answer that the line loses, and asks for the reversal.
'use strict';
const { SerialPort } = require('serialport');

const [api, path] = [`${process.argv[2]}/api/v1`, process.argv[3]];
const ACK = Buffer.from([6]);
const port = new SerialPort({ path, baudRate: 115200 });
let kept = Buffer.alloc(0);
let wake = () => {};
port.on('data', (data) => { kept = Buffer.concat([kept, data]); wake(); });

function crc16(data) {
  let crc = 0;
  for (const byte of data) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x8005 : crc << 1) & 0xffff;
  }
  return crc;
}

function frame(fields) {
  const records = Object.entries(fields).map(([number, text]) =>
    Buffer.concat([Buffer.from([number, text.length, 0]), Buffer.from(text, 'ascii')]));
  const data = Buffer.concat(records);
  const head = Buffer.from([2, data.length & 0xff, data.length >> 8]);
  const crc = crc16(Buffer.concat([head, data]));
  return Buffer.concat([head, data, Buffer.from([crc >> 8, crc & 0xff])]);
}

function fieldsOf(data) {
  const fields = {};
  for (let at = 0; at < data.length;) {
    const size = data.readUInt16LE(at + 1);
    fields[data[at]] = data.subarray(at + 3, at + 3 + size).toString('latin1');
    at += 3 + size;
  }
  return fields;
}

async function take(count, until) {
  while (kept.length < count) {
    const left = until - Date.now();
    if (left <= 0) return null;
    await new Promise((resolve) => { wake = resolve; setTimeout(resolve, left); });
  }
  const data = kept.subarray(0, count);
  kept = kept.subarray(count);
  return data;
}

// Ask, acknowledge waits and blocks, return the fields of the answer; null when it does not come in time.
async function ask(fields, within = 20000) {
  port.write(frame(fields));
  const until = Date.now() + within;
  let message = Buffer.alloc(0);
  for (;;) {
    const start = await take(1, until);
    if (start === null) return null;
    if (start[0] !== 1 && start[0] !== 2) continue;
    const size = await take(2, until);
    const body = size && await take(size.readUInt16LE(0), until);
    if (!body || !await take(2, until)) return null;
    port.write(ACK);
    const head = start[0] === 1 ? 2 + body.readUInt16LE(0) : 0;
    const last = start[0] === 2 || fieldsOf(body.subarray(2, head))[2] === '0';
    message = Buffer.concat([message, body.subarray(head)]);
    if (!last) continue;
    if (fieldsOf(message)[25] !== '21') return fieldsOf(message);
    message = Buffer.alloc(0); // a wait
  }
}

async function call(method, resource, body) {
  const answer = await fetch(`${api}${resource}`, {
    method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  const said = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(`${method} ${resource}: ${answer.status} ${said.error}`);
  return said;
}

function must(what, so) {
  if (!so) throw new Error(`not as it must be: ${what}`);
  console.log(`ok  ${what}`);
}

async function main() {
  await call('PUT', '/card', { card: 'mir-chip' });
  const selling = ask({ 0: '10000', 4: '643', 25: '1' });
  await call('GET', '/state?asks=pin&within=20s');
  await call('POST', '/pin', { pin: '1234' });
  must('a sale with a PIN is approved', (await selling)[39] === '1');

  await call('PUT', '/faults/lost', { phrase: 'line: drop every final' });
  await call('PUT', '/card', { card: 'mir-chip', pin: '1234' });
  must('the second answer does not come', await ask({ 0: '5000', 4: '643', 25: '1' }, 3000) === null);
  await call('DELETE', '/faults');
  port.write(Buffer.from([4])); // EOT: the register gives its session up
  await call('POST', '/clock', { by: '60s' });
  await call('GET', '/state?rests=true&within=20s');
  must('the reversal is done', (await ask({ 0: '5000', 4: '643', 25: '53' }))[39] === '1');

  const ledger = await call('GET', '/bank/ledger');
  must('the bank holds the first sale alone', ledger.net === 10000 && ledger.agree === true);
}

main().then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });
