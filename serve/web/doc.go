// Package web is the app that eclat serves at "/": plain ES modules, style sheets and a
// few vendored libraries, embedded in the binary.
//
// The files of app/ are served as they are written. Those of vendor/ are made from npm
// by vendor/build.mjs, at the versions and sums of vendor/lock.json; nothing of it is
// needed to build or to run eclat. api.md says which endpoints the app asks for.
//
// The app asks nothing of any other host, and the policy that goes with each answer lets
// it run no script and no style that is not one of these files. Chats are kept by the
// browser; the server learns of them only what it is asked to answer.
//
// A handler is made once and may be used by any number of goroutines.
package web
