#!/usr/bin/env bash
# Does with MariaDB what the entrypoint of the public image mysql does with the variables that compose.yaml sets:
# an empty data folder gets a root user with a random password, the database, and its user. The server that does this
# listens on no port, so that nobody meets it half done.
set -euo pipefail
data=/var/lib/mysql
case ${1:-} in -*) set -- mariadbd "$@" ;; esac

if [ ! -d "$data/mysql" ]; then
  chown mysql: "$data"
  mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=normal >/dev/null
  mariadbd --user=mysql --skip-networking &
  until mariadb-admin --silent ping; do sleep 0.2; done
  root=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  mariadb <<END
CREATE DATABASE \`$MYSQL_DATABASE\`;
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
CREATE USER 'root'@'%' IDENTIFIED BY '$root';
GRANT ALL ON *.* TO 'root'@'%';
ALTER USER 'root'@'localhost' IDENTIFIED BY '$root';
END
  mariadb-admin --password="$root" shutdown
  wait
fi
exec "$@" --user=mysql --bind-address=0.0.0.0
