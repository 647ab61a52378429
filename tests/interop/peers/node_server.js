// The server of scenarios.py by Node's ws; gets a certificate and its key.
'use strict';

const fs = require('fs');
const http = require('http');
const https = require('https');
const { WebSocketServer } = require('ws');

const reports = [];
const waiting = [];

const handlers = {
  '/echo': (ws) => {
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
  },
  '/fragments': (ws) => {
    ws.send('one, ', { fin: false });
    ws.send('two, ', { fin: false });
    ws.send('drei €', { fin: true });
    ws.send(Buffer.from([0]), { fin: false });
    ws.send(Buffer.from([1]), { fin: false });
    ws.send(Buffer.from([2]), { fin: true });
  },
  '/ping': (ws) => {
    ws.on('pong', (data) => data.toString() === 'payload' && ws.send('pong'));
    ws.ping('payload');
  },
  '/bye': (ws) => ws.close(4001, 'server says bye'),
  '/report': (ws) => {
    ws.on('close', (code, reason) => {
      reports.push(`${code} ${reason}`);
      if (waiting.length) waiting.shift()();
    });
  },
  '/reported': (ws) => {
    const tell = () => ws.send(reports.shift());
    if (reports.length) tell();
    else waiting.push(tell);
  },
  '/numbers': (ws) => {
    ws.on('message', (data) => {
      const wanted = Number(data.toString());
      for (let number = 0; number < wanted; number++) ws.send(String(number));
      ws.send('end');
    });
  },
  '/count': (ws) => {
    let number = 0;
    ws.on('message', (data) => {
      const text = data.toString();
      if (text === 'end') ws.send(String(number));
      else if (text === String(number)) number++;
    });
  },
};

const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: true,
  maxPayload: 1 << 25,
  handleProtocols: (offered) => (offered.has('echo') ? 'echo' : false),
});

function listen(server) {
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, handlers[request.url]);
  });
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => done(server.address().port));
  });
}

async function main([cert, key]) {
  const pem = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
  const plain = await listen(http.createServer());
  const tls = await listen(https.createServer(pem));
  console.log(`${plain} ${tls}`);
}

main(process.argv.slice(2));
