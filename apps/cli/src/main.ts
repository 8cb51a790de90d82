#!/usr/bin/env node
import type { Command } from 'commander';
import { createProgram, runProgram } from './program.js';
import { processTerminal } from './terminal.js';

/** Commands that own more than a request to the gateway; each lives in a folder of its own. */
const commands: readonly Command[] = [];

const terminal = processTerminal();
await runProgram(createProgram(terminal, commands), process.argv.slice(2), terminal);
