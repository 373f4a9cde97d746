package alitest

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the API's signature is HMAC-SHA1
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Error is what the API refuses a request with. RetryAfter is said where it isn't 0.
type Error struct {
	Status        int
	Code, Message string
	RetryAfter    time.Duration
}

// Refusal is a request that can't be carried out.
func Refusal(code, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// skew is how far a request's timestamp may be from the server's clock.
const skew = 15 * time.Minute

// authenticate checks who sent a request, and that it is neither changed nor sent twice.
func (s *Server) authenticate(method string, q url.Values) *Error {
	for _, name := range []string{"Action", "Version", "AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"} {
		if q.Get(name) == "" {
			return Refusal("Missing"+name, name+" is mandatory for this action.")
		}
	}
	switch {
	case q.Get("SignatureMethod") != "HMAC-SHA1" || q.Get("SignatureVersion") != "1.0":
		return Refusal("InvalidSignatureMethod", "Specified signature method is not valid.")
	case q.Get("AccessKeyId") != s.o.KeyID:
		return &Error{Status: http.StatusNotFound, Code: "InvalidAccessKeyId.NotFound", Message: "Specified access key is not found."}
	case s.isExpired(q.Get("SecurityToken")):
		return Refusal("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
	case q.Get("SecurityToken") != s.token():
		return Refusal("InvalidSecurityToken.Mismatch", "Specified SecurityToken mismatches with the AccessKey.")
	}
	if text := stringToSign(method, q); sign(text, s.o.Secret) != q.Get("Signature") {
		return Refusal("SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server string to sign is:"+text)
	}
	if err := s.inTime(q); err != nil {
		return err
	}
	return s.useNonce(q.Get("SignatureNonce"), s.o.Now())
}

// inTime refuses a request that was signed too long ago, or too far ahead.
func (s *Server) inTime(q url.Values) *Error {
	at, err := time.Parse("2006-01-02T15:04:05Z", q.Get("Timestamp"))
	if err != nil {
		return Refusal("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if d := s.o.Now().Sub(at); d > skew || d < -skew {
		return Refusal("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	return nil
}

// Renew makes another token the account's; the one before it has expired.
func (s *Server) Renew(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = append(s.expired, s.o.Token)
	s.o.Token = token
}

func (s *Server) token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o.Token
}

func (s *Server) isExpired(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.expired, token)
}

// useNonce takes a nonce once. Nonces whose timestamp would be refused are forgotten.
func (s *Server) useNonce(nonce string, now time.Time) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.nonces[nonce]; used {
		return Refusal("SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	for n, at := range s.nonces {
		if now.Sub(at) > 2*skew {
			delete(s.nonces, n)
		}
	}
	s.nonces[nonce] = now
	return nil
}

// stringToSign is the method and all parameters but the signature, in order.
func stringToSign(method string, q url.Values) string {
	var parts []string
	for name, values := range q {
		if name != "Signature" {
			parts = append(parts, escape(name)+"="+escape(values[0]))
		}
	}
	slices.Sort(parts)
	return method + "&%2F&" + escape(strings.Join(parts, "&"))
}

// escape percent-encodes by RFC 3986.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

func sign(text, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
