/** Where the controller's stream stands in each phase: before the command that would end it, or before the answer that would. */
import type { Phase } from './matrix.js';
import type { HoldAt } from './phase-door.js';

const command = (name: string): RegExp => new RegExp(`^godwit\\.agent\\.[^.]+\\.${name}$`);
const record = (thread: string, type: string): RegExp => new RegExp(`^godwit\\.t\\.[^.]+\\.${thread}\\.${type}\\.`);

/** A moment, and what is held there, in a word. */
export interface Moment extends HoldAt {
  readonly what: string;
}
const at = (when: HoldAt['when'], what: string, subject: RegExp): Moment => ({ when, what, subject });

/** More than one where a phase has more than one moment; a seed takes its pick. */
export function holdsOf(phase: Phase, thread: string): readonly Moment[] {
  switch (phase) {
    case 'planned': return [at('before', 'prepare', command('prepare')), at('answer', 'prepare', command('prepare'))];
    case 'reserved': return [at('before', 'intent', record(thread, 'intent')), at('answer', 'intent', record(thread, 'intent'))];
    case 'shadowing': return [at('before', 'copy', command('copy')), at('answer', 'copy', command('copy'))];
    // The source stands, and has sent its last; the controller does not know it yet.
    case 'frozen': return [at('answer', 'freeze', command('freeze'))];
    // Both digests are there and equal; the commit is not sent.
    case 'staged': return [at('before', 'own', record(thread, 'own'))];
    // The commit is on disk: in doubt for the controller, or known.
    case 'committing': return [at('answer', 'own', record(thread, 'own')), at('before', 'activate', command('activate'))];
    case 'active': return [at('answer', 'activate', command('activate')), at('before', 'retire', command('retire'))];
    case 'retired': return [at('after', 'retired', new RegExp(`^godwit\\.migration\\.${thread}\\.retired$`))];
  }
}
