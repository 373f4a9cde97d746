package aliyun

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"

	"roomshift/cutover"
)

// ErrExpired says that the provider doesn't take the AccessKey or its token any more.
var ErrExpired = errors.New("the AccessKey isn't taken any more")

// keyring is the account that requests are signed by. A temporary one outlives no night: whoever renews it writes it into the same file,
// which is read again when it has changed, and when the provider says that what was read isn't taken any more. One that is half
// written is read again with the next request; until then the last one stands.
type keyring struct {
	file string // "": the account is as it is, from the environment
	name string

	mu   sync.Mutex
	now  Account
	used []Account // all there ever were: none of them is in an error
	at   stamp     // of the file when it was read; zero: it is to be read
}

// stamp is what of a file changes when it is written.
type stamp struct {
	mod  time.Time
	size int64
}

var _ credentials.CredentialsProvider = (*keyring)(nil)

func newKeyring(name, file string, a Account) *keyring {
	return &keyring{file: file, name: name, now: a, used: []Account{a}}
}

// GetCredentials is called by the SDK for each request.
func (k *keyring) GetCredentials() (*credentials.Credentials, error) {
	a := k.account()
	return &credentials.Credentials{AccessKeyId: a.KeyID, AccessKeySecret: a.Secret, SecurityToken: a.Token, ProviderName: k.GetProviderName()}, nil
}

// GetProviderName goes into a header of each request.
func (k *keyring) GetProviderName() string { return "static" }

// account is the account as the file has it now.
func (k *keyring) account() Account {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == "" {
		return k.now
	}
	info, err := os.Stat(k.file)
	if err != nil {
		return k.now
	}
	at := stamp{info.ModTime(), info.Size()}
	if at == k.at {
		return k.now
	}
	a, err := AccountFrom(k.file, nil)
	if err != nil || a.refuse() != nil {
		return k.now
	}
	k.at = at
	if a != k.now {
		k.now = a
		if !slices.Contains(k.used, a) {
			k.used = append(k.used, a)
		}
	}
	return k.now
}

// refused has the file read again, and tells whether it holds another account than the one that was refused.
func (k *keyring) refused(was Account) (renewed bool) {
	k.mu.Lock()
	k.at = stamp{}
	k.mu.Unlock()
	return k.account() != was
}

// clean takes every secret that was ever used out of a text.
func (k *keyring) clean(text string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.used {
		for _, s := range [][2]string{{"[token]", a.Token}, {"[secret]", a.Secret}, {"[key id]", a.KeyID}} {
			if s[1] != "" {
				text = strings.ReplaceAll(text, s[1], s[0])
			}
		}
	}
	return text
}

// renewAt says where another account is looked for.
func (k *keyring) renewAt() string {
	if k.file == "" {
		return "it is from the environment, which is read once: use credentialsFile, which is read again when it changes"
	}
	return "renew it in " + k.file + ", which is read again"
}

// isExpired tells whether a code of the API's means that the account is to be renewed, not that it may not do something.
func isExpired(code string) bool {
	return strings.HasPrefix(code, "InvalidSecurityToken") || strings.HasPrefix(code, "SecurityTokenExpired") ||
		strings.HasPrefix(code, "InvalidAccessKeyId") || code == "MissingSecurityToken"
}

// renewedSoon is when a call is made again whose account was renewed meanwhile: it is no failure of the provider's.
const renewedSoon = 100 * cutover.Millisecond
