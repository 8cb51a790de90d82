import { pino, stdTimeFunctions, type Logger } from 'pino';
export type Log = Logger;

/** JSON lines on stderr: UTC ISO time, level by name, units in the keys. Stdout is left to the service's own output. */
export const createLog = (service: string, level: string): Log =>
  pino({ level, base: { service, pid: process.pid }, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, process.stderr);
