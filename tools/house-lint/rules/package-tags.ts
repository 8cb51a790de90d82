import type { Rule } from '../rule.ts';
import { LAYERS } from '../workspace.ts';

/** Without its layer tag a package would stand outside every arrow, and nobody would notice. */
export const packageTags: Rule = {
  name: 'package-tags',
  protects: 'each package names its room: exactly one layer: tag that we know, and exactly one scope: tag',
  check: ({ packages }) => packages.flatMap((one) => {
    const say = (message: string) => ({ file: `${one.folder}/package.json`, line: 0, message });
    const layers = one.tags.filter((tag) => tag.startsWith('layer:'));
    const scopes = one.tags.filter((tag) => tag.startsWith('scope:'));
    const unknown = layers.filter((tag) => !LAYERS.some((layer) => tag === `layer:${layer}`));
    return [
      ...(layers.length === 1 ? [] : [say(`has ${layers.length} layer: tags, needs one`)]),
      ...(scopes.length === 1 ? [] : [say(`has ${scopes.length} scope: tags, needs one`)]),
      ...unknown.map((tag) => say(`${tag} is no room of this house (${LAYERS.join(', ')})`)),
    ];
  }),
};
