package dbsync

import (
	"context"
	"fmt"

	"roomshift/cutover"
)

// OpenTransactions is how many transactions an account has open on the master in a room, at this moment. It needs PROCESS.
func (r *Ring) OpenTransactions(ctx context.Context, room cutover.Room, user string) (int, error) {
	for _, n := range r.nodes {
		if n.room != room {
			continue
		}
		open := 0
		err := n.bounded(ctx, r.timeout, func(ctx context.Context) error {
			return n.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.user = ?", user).Scan(&open)
		})
		if err != nil {
			return 0, fmt.Errorf("pair %s: look for transactions of %s: %w", r.name, user, n.fail(err))
		}
		return open, nil
	}
	return 0, fmt.Errorf("pair %s has no master in %s", r.name, room)
}
