/** The command line: options that every command takes, the commands, and how failures end. */
import { GodwitError } from '@godwit/client';
import { Command, CommanderError } from 'commander';
import type { Terminal } from './cli.js';
import { addDecisions } from './commands/decisions.js';
import { addEvaluate } from './commands/evaluate.js';
import { addForecast } from './commands/forecast.js';
import { addJournal } from './commands/journal.js';
import { addLists } from './commands/lists.js';
import { addMigrations } from './commands/migrations.js';
import { addRun } from './commands/run.js';
import { addTrain } from './commands/train.js';
import { DEFAULT_URL } from './endpoint.js';
import { CommandFailure, EXIT, exitCodeOf } from './exit-codes.js';

/** @param more commands that live elsewhere. */
export function createProgram(terminal: Terminal, more: readonly Command[] = []): Command {
  const program = new Command('godwit').description('Moves running, stateful work between machines before they get into trouble.').version('0.1.0')
    .option('--url <url>', `the gateway; default: GODWIT_URL, else the Godwit running in this folder, else ${DEFAULT_URL}`)
    .option('--token <token>', 'bearer token; default: GODWIT_TOKEN').option('--json', 'JSON on stdout; one line for each event of a stream')
    .showHelpAfterError('(--help tells more)');
  for (const command of more) program.addCommand(command);
  for (const add of [addRun, addLists, addMigrations, addDecisions, addForecast, addEvaluate, addJournal, addTrain]) add(program, terminal);
  program.addHelpText('after', '\nExit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused by policy, 5 timeout');
  // Commands inherit settings only when they are made; these go for all, those of elsewhere too.
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) });
  }
  return program;
}

/** Runs one command line and sets the exit code. Never rejects. @param args without the interpreter and the script. */
export async function runProgram(program: Command, args: readonly string[], terminal: Terminal): Promise<void> {
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    terminal.setExitCode(failed(error, program.opts<{ json?: boolean }>().json === true, terminal));
  }
}

function failed(error: unknown, json: boolean, terminal: Terminal): number {
  // Commander has written what was wrong by itself.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (json) terminal.err(`${JSON.stringify(error instanceof GodwitError ? error.problem : { detail: (error as Error).message })}\n`);
  else {
    const known = error instanceof GodwitError || error instanceof CommandFailure;
    terminal.err(`godwit: ${(error as Error).message}\n`);
    if (known && error.remedy) terminal.err(`        ${error.remedy}\n`);
    if (!known) terminal.err(`${(error as Error).stack ?? ''}\n`);
  }
  return exitCodeOf(error);
}
