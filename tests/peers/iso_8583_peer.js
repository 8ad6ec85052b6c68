// A host and a client made of the npm package iso_8583.
//   node iso_8583_peer.js serve                 prints its port; approves whatever it can read
//   node iso_8583_peer.js ask PORT JSON         prints the answer as JSON
'use strict';
const net = require('net');
const Iso8583 = require('iso_8583');
const formats = { 64: { ContentType: 'b', Label: 'MAC', LenType: 'fixed', MaxLen: 16 } };
const read = (packet) => new Iso8583({}, formats).getIsoJSON(packet);
const write = (fields) => new Iso8583(fields, formats).getBufferMessage();
const answered = new Set(['3', '4', '7', '11', '12', '13', '41', '42', '49']);

function packets(socket, heard) {
  let kept = Buffer.alloc(0);
  socket.on('data', (data) => {
    kept = Buffer.concat([kept, data]);
    while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
      const size = 2 + kept.readUInt16BE(0);
      heard(kept.subarray(0, size));
      kept = kept.subarray(size);
    }
  });
}

function answer(packet) {
  const request = read(packet);
  if (request.error) throw new Error(JSON.stringify(request));
  const kept = Object.entries(request).filter(([number]) => answered.has(number));
  const reply = { ...Object.fromEntries(kept), 0: `${request[0].slice(0, 2)}10`, 39: '00' };
  if (request[0] === '0200') Object.assign(reply, { 37: '632709000017', 38: 'NODE01' });
  const message = write(reply);
  if (message.error) throw new Error(JSON.stringify(message));
  return message;
}

if (process.argv[2] === 'serve') {
  const server = net.createServer((socket) => packets(socket, (packet) => socket.write(answer(packet))));
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
} else {
  const socket = net.connect(Number(process.argv[3]), '127.0.0.1');
  packets(socket, (packet) => {
    console.log(JSON.stringify(read(packet)));
    socket.end();
  });
  socket.write(write(JSON.parse(process.argv[4])));
}
