// Node's own server: idle without clients, busy with them. Asked for /loop, its event loop never turns again.
const http = require("node:http");

const server = http.createServer((request, response) => {
  while (request.url === "/loop");
  // Answered never: the event loop is fine, and only the client knows.
  if (request.url !== "/never") response.end("ok\n");
});
server.listen(0, "127.0.0.1", () => {
  console.log("READY", JSON.stringify({ port: server.address().port }));
});
