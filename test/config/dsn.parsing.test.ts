import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Dsn, describeDsn, parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';

const plain: Dsn = {
  host: 'localhost',
  port: 5432,
  user: 'u',
  password: null,
  database: 'u',
  sslMode: 'prefer',
  sslRootCert: null,
  sslCert: null,
  sslKey: null,
  applicationName: null,
  connectTimeoutMs: 10_000,
  poolMaxConns: null,
  options: null,
};

const accepted: [text: string, expected: Partial<Dsn>][] = [
  ['postgres://u@localhost', {}],
  [
    'postgresql://u:p%40ss@db.example:6432/orders',
    { host: 'db.example', port: 6432, password: 'p@ss', database: 'orders' },
  ],
  ['postgres://u:with:colon@h/d', { host: 'h', password: 'with:colon', database: 'd' }],
  ['postgres://u@[::1]:5433/d', { host: '::1', port: 5433, database: 'd' }],
  ['postgres://u@[fe80::1]/d', { host: 'fe80::1', database: 'd' }],
  [
    'postgres://u:p@/d?host=/var/run/postgresql&port=5433',
    { host: '/var/run/postgresql', port: 5433, password: 'p', database: 'd' },
  ],
  ['postgres://u@%2Fvar%2Frun/d', { host: '/var/run', database: 'd' }],
  ['postgres:///d?user=u&host=h', { host: 'h', database: 'd' }],
  ['postgres://u@h/d?sslmode=require', { host: 'h', database: 'd', sslMode: 'require' }],
  ['postgres://u@h/d?ssl=true', { host: 'h', database: 'd', sslMode: 'require' }],
  [
    'postgres://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem',
    { host: 'h', database: 'd', sslMode: 'verify-full', sslRootCert: '/ca.pem' },
  ],
  ['host=db user=u', { host: 'db' }],
  [
    "host = db  user='u' password='it\\'s a \\\\ secret' dbname = d",
    { host: 'db', password: "it's a \\ secret", database: 'd' },
  ],
  ["user=u password=''", { password: null }],
  ['user=u pool_max_conns=20 connect_timeout=3', { poolMaxConns: 20, connectTimeoutMs: 3_000 }],
  ['user=u connect_timeout=0', { connectTimeoutMs: 10_000 }],
  ['user=u connect_timeout=1', { connectTimeoutMs: 2_000 }],
  ['user=u pool_max_conn_lifetime=1h application_name=shop', { applicationName: 'shop' }],
  ["user=u options='-c search_path=x'", { options: '-c search_path=x' }],
  ['user=u sslmode=disable', { sslMode: 'disable' }],
];

for (const [text, expected] of accepted) {
  test(`${text} is read as libpq reads it`, () => {
    assert.deepEqual(parseDsn(text), { ...plain, ...expected });
  });
}

const refused: [text: string, part: string][] = [
  ['host=db', 'user'],
  ['postgres://h/d', 'user'],
  ['user=u port=70000', 'port'],
  ['user=u port=x', 'port'],
  ['user=u sslmode=on', 'sslmode'],
  ['user=u sslmode=verify-full', 'sslrootcert'],
  ['user=u pool_max_conns=1', 'pool_max_conns'],
  ['user=u pool_max_conns=two', 'pool_max_conns'],
  ['user=u connect_timeout=soon', 'connect_timeout'],
  ['user=u host=a,b', 'host'],
  ['user=u colour=red', 'colour'],
  ["user=u password='open", 'password'],
  ['user=u secretword', 'position 8'],
  ['postgres://u@h/d?sslmode', 'sslmode'],
  ['postgres://u:%zz@h/d', 'password'],
  ['postgres://u@[::1/d', 'host'],
];

for (const [text, part] of refused) {
  test(`${text} is refused, and the message names ${part}`, () => {
    assert.throws(
      () => parseDsn(text),
      (error) => error instanceof NflowError && error.code === 'invalid_config' && error.details.pointer === part,
    );
  });
}

test('neither a description nor an error shows the password', () => {
  const secret = 'hunter2';
  assert.doesNotMatch(describeDsn(parseDsn(`postgres://u:${secret}@h/d`)), new RegExp(secret));
  for (const text of [
    `user=u password=${secret} port=0`,
    `user=u password='a ${secret}`,
    `user=u password=a ${secret}`,
  ]) {
    assert.throws(
      () => parseDsn(text),
      (error) => error instanceof NflowError && !JSON.stringify([error.message, error.details]).includes(secret),
    );
  }
});
