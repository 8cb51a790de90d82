#!/usr/bin/env node
import { createProgram, runProgram } from './program.js';
import { processTerminal } from './terminal.js';
import { upCommand } from './up/up-command.js';

const terminal = processTerminal();
await runProgram(createProgram(terminal, [upCommand()]), process.argv.slice(2), terminal);
