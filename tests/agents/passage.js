// A proxy between an agent and the gateway. It records exchanges, and compresses requests if configured: agents compress large bodies only
// for their own vendors' servers.

import http from "node:http";
import zlib from "node:zlib";

export class Passage {
  constructor(target) {
    this.target = new URL(target);
    this.server = http.createServer((request, response) => this.pass(request, response));
    this.begin(false);
  }

  async open() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  // Forgets the recorded exchanges.
  begin(compress) {
    this.compress = compress;
    this.exchanges = [];
  }

  // Every exchange since `begin`: its path and its result.
  seen() {
    return this.exchanges;
  }

  async pass(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    let body = Buffer.concat(pieces);
    const exchange = { method: request.method, path: request.url, status: 0, dropped: [], stream: false, compressed: false };
    this.exchanges.push(exchange);
    exchange.stream = /"stream"\s*:\s*true/.test(body.toString("utf8"));
    const headers = { ...request.headers, host: this.target.host };
    delete headers["transfer-encoding"];
    exchange.compressed = "content-encoding" in headers;
    if (this.compress && body.length > 0 && !exchange.compressed) {
      body = zlib.gzipSync(body);
      headers["content-encoding"] = "gzip";
      exchange.compressed = true;
    }
    if (body.length > 0) headers["content-length"] = String(body.length);
    const { hostname, port } = this.target;
    const onward = http.request({ hostname, port, path: request.url, method: request.method, headers }, (answer) => {
      exchange.status = answer.statusCode;
      exchange.provider = answer.headers["x-sluice-provider"];
      exchange.dropped = (answer.headers["x-sluice-dropped"] ?? "").split(", ").filter(Boolean);
      response.writeHead(answer.statusCode, answer.headers);
      if (answer.statusCode >= 400) answer.on("data", (piece) => { exchange.said = (exchange.said ?? "") + piece; });
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  }
}
