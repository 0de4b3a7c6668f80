// An HTTP server of Node: serves until it is told to stop, or (with "self") its own requests.
'use strict';
const http = require('http');
const crypto = require('crypto');
const fs = require('fs');
const { Worker, isMainThread, parentPort } = require('worker_threads');

if (!isMainThread) {
  parentPort.on('message', (n) => parentPort.postMessage(crypto.createHash('sha256').update(`${n}`).digest('hex')));
} else {
  let served = 0;
  const worker = new Worker(__filename);
  const waiting = [];
  worker.on('message', (hash) => waiting.shift()(hash));
  const hash = (n) => new Promise((resolve) => { waiting.push(resolve); worker.postMessage(n); });

  const server = http.createServer(async (request, response) => {
    served += 1;
    if (request.url === '/stop') {
      response.end('stopping\n');
      console.log(`served ${served} pid ${process.pid} up ${process.uptime()} heap ${process.memoryUsage().heapUsed}`);
      server.close();
      server.closeIdleConnections();
      worker.terminate();
    } else if (request.url === '/hash') {
      response.end(await hash(served) + '\n');
    } else if (request.url === '/file') {
      fs.createReadStream(__filename).pipe(response);
    } else {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ served, random: Math.random(), now: Date.now(), id: crypto.randomUUID() }));
    }
  });

  const get = (port, path) => new Promise((resolve, reject) => {
    http.get({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts).toString()));
    }).on('error', reject);
  });

  const port = Number(process.argv[2]);
  server.listen(port, '127.0.0.1', async () => {
    console.log(`listening on ${server.address().port}`);
    if (process.argv[3] !== 'self') return;
    const own = server.address().port;
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => get(own, ['/', '/hash', '/file'][i % 3])));
    console.log(crypto.createHash('sha256').update(answers.join()).digest('hex'), answers[0]);
    console.log(await get(own, '/stop'));
  });
}
