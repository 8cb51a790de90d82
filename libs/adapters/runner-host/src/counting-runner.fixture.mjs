// A child that answers `receive` with the number of bytes that came over the socket until its end.
process.on('message', (message, socket) => {
  if (message.type !== 'request') return;
  let bytes = 0;
  socket.on('data', (chunk) => (bytes += chunk.length)).on('end', () => process.send({ type: 'reply', id: message.id, value: { bytes } }));
});
process.on('disconnect', () => process.exit(0));
process.send({ type: 'ready' });
