import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { SETTINGS } from '../../src/service/settings/settings.ts'
import { readDocument } from '../docs/documents.ts'
import { ROOT } from '../service/process.ts'
import { check, skipWithoutTools } from './tools.ts'

const FILES = globSync('deploy/kubernetes/*.yaml', { cwd: ROOT }).sort()
const read = (name: string): unknown => parse(readFileSync(join(ROOT, 'deploy/kubernetes', `${name}.yaml`), 'utf8'))

const labels = z.record(z.string(), z.string())
const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.literal('http') }) })
const deployment = z
  .object({
    metadata: z.object({ name: z.string() }),
    spec: z.object({
      selector: z.object({ matchLabels: labels }),
      template: z.object({
        metadata: z.object({ labels }),
        spec: z.object({
          terminationGracePeriodSeconds: z.number(),
          securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.number(), runAsGroup: z.number() }),
          containers: z.tuple([
            z.object({
              name: z.string(),
              ports: z.tuple([z.object({ name: z.literal('http'), containerPort: z.number() })]),
              env: z.array(z.object({ name: z.string(), value: z.string() })),
              envFrom: z.tuple([z.object({ secretRef: z.object({ name: z.string() }) })]),
              livenessProbe: probe,
              readinessProbe: probe,
              securityContext: z.object({
                allowPrivilegeEscalation: z.literal(false),
                readOnlyRootFilesystem: z.literal(true),
              }),
            }),
          ]),
        }),
      }),
    }),
  })
  .parse(read('deployment'))
const { selector, template } = deployment.spec
const [container] = template.spec.containers

for (const version of ['1.30', '1.37']) {
  test(`the files are valid for Kubernetes ${version}`, { skip: skipWithoutTools }, async () => {
    assert.equal(FILES.length, 4)
    await check({ name: 'kubernetes-validate', args: ['--strict', '-k', version, ...FILES] })
  })
}

test('service, disruption budget and ingress select the pods of the deployment', () => {
  assert.deepEqual(template.metadata.labels, selector.matchLabels)
  const service = z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ selector: labels }) })
  const { metadata, spec } = service.parse(read('service'))
  assert.deepEqual(spec.selector, selector.matchLabels)
  const budget = z.object({ spec: z.object({ selector: z.object({ matchLabels: labels }) }) })
  assert.deepEqual(budget.parse(read('poddisruptionbudget')).spec.selector, selector)
  const backends = [...JSON.stringify(read('ingress')).matchAll(/"service":\{"name":"([^"]+)"/g)].map(
    ([, name]) => name,
  )
  assert.deepEqual(backends, [metadata.name, metadata.name])
})

test('the pod has the user, port and probes of the image, and only existing settings', () => {
  const dockerfile = readDocument('deploy/docker/Dockerfile')
  const { runAsUser, runAsGroup } = template.spec.securityContext
  assert.ok(dockerfile.includes(`\nUSER ${runAsUser}:${runAsGroup}\n`))
  assert.ok(dockerfile.includes(`\nEXPOSE ${container.ports[0].containerPort}\n`))
  const paths = [container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet.path)
  assert.deepEqual(paths, ['/healthz', '/readyz'])
  const known = SETTINGS.map(({ name }) => name)
  assert.deepEqual(
    container.env.map(({ name }) => name).filter((name) => !known.includes(name)),
    [],
  )
})

test('a pod has time to drain and to stop before it is killed', () => {
  const drain = Number(container.env.find(({ name }) => name === 'LERNITO_DRAIN_MS')?.value)
  assert.ok(drain + 8_000 < template.spec.terminationGracePeriodSeconds * 1000)
})

test('the guide creates the secret that the pods read', () => {
  const guide = readDocument('docs/how-to/install.md')
  assert.ok(guide.includes(`kubectl create secret generic ${container.envFrom[0].secretRef.name} `))
})

test("the restore's pod is that of the deployment: its settings, the file of the authority, and a user that is not root", () => {
  const guide = readDocument('docs/how-to/back-up-and-restore.md')
  assert.ok(guide.includes(`$(kubectl get deploy ${deployment.metadata.name} -o jsonpath='{.spec.template.spec}' `))
  // kubectl gives the container the name of the pod, and merges containers of one name.
  assert.match(guide, new RegExp(`kubectl run ${container.name} .* --override-type=strategic `))
})
