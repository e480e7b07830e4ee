import { type Command, command, type Listed, misused, type Options } from './command.ts'

/** A command with its place, such as `deliveries list`. */
interface Place extends Listed {
  readonly path: string
  readonly command: Command
}

/** The command `completion`, of a program with these commands. */
export const completionOf = (commands: readonly (Listed & { readonly load: () => Promise<Command> })[]): Command =>
  command({
    name: 'completion',
    options: {},
    positionals: true,
    run: async ({ positionals: [shell, ...more] }) => {
      if ((shell !== 'bash' && shell !== 'zsh') || more.length > 0) throw misused('completion', 'takes bash or zsh')
      const places: Place[] = []
      for (const { name, summary, load } of commands) {
        const loaded = await load()
        places.push({ path: name, name, summary, command: loaded })
        for (const one of loaded.subcommands ?? []) places.push({ ...one, path: `${name} ${one.name}`, command: one })
      }
      process.stdout.write(SCRIPTS[shell](commands, places))
      return 0
    },
  })

const optionsOf = (options: Options): string[] => [...Object.keys(options), 'help'].map((name) => `--${name}`)

/** What follows an option that takes a value: the values that are known, or else a file. */
function valueCases(places: readonly Place[], list: (values: string) => string): string {
  const options = places.flatMap(({ path, command: { options } }) =>
    Object.entries(options).flatMap(([name, { type, values = [] }]) =>
      type === 'string' ? [{ option: `'${path} --${name}'`, values: values.join(' ') }] : [],
    ),
  )
  const same = Map.groupBy(options, ({ values }) => values)
  return [...same]
    .map(([values, those]) => `    ${those.map(({ option }) => option).join(' | ')}) found=${list(values)} ;;\n`)
    .join('')
}

const groupsOf = (places: readonly Place[]): string =>
  places.flatMap(({ path, command: { subcommands } }) => (subcommands === undefined ? [] : [path])).join(' | ')

const argumentsOf = ({ path, command: { subcommands = [], options } }: Place): string[] =>
  path === 'completion' ? ['bash', 'zsh'] : [...subcommands.map(({ name }) => name), ...optionsOf(options)]

const BASH = (commands: readonly Listed[], places: readonly Place[]): string => `# bash completion for lernito-openedx
_lernito_openedx() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at=\${COMP_WORDS[1]} found=
  case $at in ${groupsOf(places)}) ((COMP_CWORD > 2)) && at="$at \${COMP_WORDS[2]}" ;; esac
  ((COMP_CWORD == 1)) && at=
  case "$at $prev" in
${valueCases(places, (values) => `'${values}'`)}    *)
      case $at in
        '') found='${[...commands.map(({ name }) => name), 'help', 'version'].join(' ')}' ;;
${places.map((place) => `        '${place.path}') found='${argumentsOf(place).join(' ')}' ;;\n`).join('')}      esac
      ;;
  esac
  COMPREPLY=($(compgen -W "$found" -- "$cur"))
}
complete -o default -F _lernito_openedx lernito-openedx
`

/** In zsh's _describe, a colon ends the name. */
const described = ({ name, summary }: Listed): string => `'${name}:${summary.replaceAll("'", "'\\''")}'`

const ZSH = (commands: readonly Listed[], places: readonly Place[]): string => `#compdef lernito-openedx
# zsh completion for lernito-openedx
_lernito_openedx() {
  local -a found
  local at=$words[2] prev=$words[CURRENT-1]
  case $at in ${groupsOf(places)}) ((CURRENT > 3)) && at="$at $words[3]" ;; esac
  ((CURRENT == 2)) && at=
  case "$at $prev" in
${valueCases(places, (values) => `(${values})`)}    *)
      case $at in
        '') found=(${commands.map(described).join(' ')}) ;;
${places
  .map((place) => {
    const { subcommands = [], options } = place.command
    const named = subcommands.length === 0 ? argumentsOf(place) : [...subcommands.map(described), ...optionsOf(options)]
    return `        '${place.path}') found=(${named.join(' ')}) ;;\n`
  })
  .join('')}      esac
      ;;
  esac
  _describe 'lernito-openedx' found || _files
}
if [ "$funcstack[1]" = _lernito_openedx ]; then _lernito_openedx "$@"; else compdef _lernito_openedx lernito-openedx; fi
`

const SCRIPTS = { bash: BASH, zsh: ZSH } as const
