// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Endpoint} from "../src/Statements.sol";
import {Url} from "../src/Url.sol";
import {UrlPolicy} from "../src/UrlPolicy.sol";
import {Base, Registration} from "./Base.sol";
import {VM} from "./Vm.sol";

contract UrlHarness {
    function hostOf(bytes calldata url) external pure returns (bytes memory) {
        return Url.hostOf(url);
    }

    function isHost(bytes calldata host) external pure returns (bool) {
        return Url.isHost(host);
    }
}

/// Which URLs a seat may show. Base allows the domain `example`.
contract UrlTest is Base {
    UrlHarness private harness = new UrlHarness();
    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = aliceSeat();
    }

    function set(string memory url) private {
        Endpoint memory e = endpointOf(id, NODE, url);
        VM.prank(alice);
        seats.setEndpoint(e, "");
    }

    function accept(string memory url) private {
        set(url);
        require(same(member(id).url, url), url);
    }

    function refuseUrl(string memory url, bytes memory error) private {
        Endpoint memory e = endpointOf(id, NODE, url);
        VM.expectRevert(error);
        VM.prank(alice);
        seats.setEndpoint(e, "");
    }

    function refuseScheme(string memory url) private {
        refuseUrl(url, abi.encodePacked(Url.UrlScheme.selector));
    }

    function refusePort(string memory url) private {
        refuseUrl(url, abi.encodePacked(Url.UrlPort.selector));
    }

    function refuseHost(string memory url, string memory host) private {
        refuseUrl(url, abi.encodeWithSelector(Url.UrlHost.selector, host));
    }

    function refuseDomain(string memory url, string memory host) private {
        refuseUrl(url, abi.encodeWithSelector(UrlPolicy.DomainNotAllowed.selector, host));
    }

    /* ---- reading a URL ---- */

    function test_TheseAreAllowed() public {
        accept("tcp://example");
        accept("tcp://node.example");
        accept("tcp://node.example:7946");
        accept("https://a.b-1.c.example/path?query#fragment");
        accept("tls+tcp://node.example:65535/");
        accept("wss://0.example:1/@evil.org:80/");
        accept("");
    }

    function test_AUrlBeginsWithAScheme() public {
        refuseScheme("node.example");
        refuseScheme("node.example:7946");
        refuseScheme("://node.example");
        refuseScheme("tcp:node.example");
        refuseScheme("tcp:/node.example");
        refuseScheme("TCP://node.example");
        refuseScheme(" tcp://node.example");
        refuseScheme("t");
        refuseScheme("tcp:");
        refuseScheme("tcp:/");
        refuseScheme("//node.example");
    }

    /// Whatever stands where a host should, no reader may find another one in it.
    function test_AHostIsPlain() public {
        refuseHost("tcp://", "");
        refuseHost("tcp:///node.example", "");
        refuseHost("tcp://:7946", "");
        refuseHost("tcp://.example", ".example");
        refuseHost("tcp://node..example", "node..example");
        refuseHost("tcp://node.example.", "node.example.");
        refuseHost("tcp://Node.example", "");
        refuseHost("tcp://evil.org@node.example", "tcp://evil.org@node.example");
        refuseHost("tcp://evil.org\\@node.example", "tcp://evil.org\\@node.example");
        refuseHost("tcp://node.example@evil.org", "tcp://node.example@evil.org");
        refuseHost("tcp://node.example?@evil.org", "tcp://node.example?@evil.org");
        refuseHost("tcp://node.example#@evil.org", "tcp://node.example#@evil.org");
        refuseHost("tcp://node.example%2eevil.org", "tcp://node.example%2eevil.org");
        refuseHost("tcp://node.example\x00evil.org", "tcp://node.example\x00evil.org");
        refuseHost("tcp://node.example\x0a@evil.org", "tcp://node.example\x0a@evil.org");
        refuseHost("tcp://[::1]", "");
        refuseHost("tcp://[::1]:7946", "");
        refuseHost("tcp://n\xc3\xb6de.example", "tcp://n\xc3\xb6de.example");
        refuseHost("tcp://node_1.example", "tcp://node_1.example");
    }

    function test_APortIsANumber() public {
        refusePort("tcp://node.example:");
        refusePort("tcp://node.example:/");
        refusePort("tcp://node.example:x");
        refusePort("tcp://node.example:123456");
        refuseHost("tcp://node.example:1x", "tcp://node.example:1x");
        refuseHost("tcp://evil.org:80@node.example", "tcp://evil.org:80@node.example");
        refusePort("tcp://user:pass@node.example");
    }

    function test_RegistrationLooksAtTheUrlToo() public {
        uint256 other = boundSeat(bob, EVE_INSTANCE);
        Registration memory r = registrationOf(other, BOB, EVE_NODE, EVE_PROOF);
        r.b.url = "tcp://node.evil.org";
        signBinding(r, BOB, EVE_NODE, EVE_PROOF);
        refuse(r, bob, abi.encodeWithSelector(UrlPolicy.DomainNotAllowed.selector, "node.evil.org"));
        r.b.url = "";
        signBinding(r, BOB, EVE_NODE, EVE_PROOF);
        send(r, bob);
    }

    /* ---- domains ---- */

    function test_ADomainReachesToLabelsOnly() public {
        seats.removeBaseDomain("example");
        seats.addBaseDomain("mesh.example.com");
        accept("tcp://mesh.example.com");
        accept("tcp://a.mesh.example.com");
        accept("tcp://b.a.mesh.example.com");
        refuseDomain("tcp://notmesh.example.com", "notmesh.example.com");
        refuseDomain("tcp://a-mesh.example.com", "a-mesh.example.com");
        refuseDomain("tcp://example.com", "example.com");
        refuseDomain("tcp://com", "com");
        refuseDomain("tcp://mesh.example.com.evil.org", "mesh.example.com.evil.org");
        refuseDomain("tcp://mesh.example.co", "mesh.example.co");
    }

    function test_AnAddressIsAHost() public {
        refuseDomain("tcp://127.0.0.1:7946", "127.0.0.1");
        seats.addBaseDomain("127.0.0.1");
        accept("tcp://127.0.0.1:7946");
        refuseDomain("tcp://127.0.0.10", "127.0.0.10");
    }

    function test_NoDomainAllowsNoHost() public {
        seats.removeBaseDomain("example");
        refuseDomain("tcp://node.example", "node.example");
        accept("");
    }

    function test_WhatStandsIsNotLookedAtAgain() public {
        seats.removeBaseDomain("example");
        require(same(member(id).url, URL) && member(id).active, "taken down");
        refuseDomain(URL, "node.example");
    }

    function test_TheListIsShown() public {
        require(seats.allowedBaseDomains("example") && !seats.allowedBaseDomains("node.example"), "first");
        VM.expectEmit(true, true, true, true, address(seats));
        emit UrlPolicy.BaseDomainAdded("a.org");
        seats.addBaseDomain("a.org");
        seats.addBaseDomain("b.org");
        string[] memory all = seats.baseDomains();
        require(all.length == 3 && same(all[0], "example") && same(all[1], "a.org") && same(all[2], "b.org"), "list");
        VM.expectEmit(true, true, true, true, address(seats));
        emit UrlPolicy.BaseDomainRemoved("example");
        seats.removeBaseDomain("example");
        all = seats.baseDomains();
        require(all.length == 2 && same(all[0], "b.org") && same(all[1], "a.org"), "after");
        require(!seats.allowedBaseDomains("example") && seats.allowedBaseDomains("b.org"), "flags");
        seats.removeBaseDomain("b.org");
        seats.removeBaseDomain("a.org");
        require(seats.baseDomains().length == 0, "not empty");
        seats.addBaseDomain("example");
        accept(URL);
    }

    function refuseAdd(string memory domain) private {
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.BaseDomainInvalid.selector, domain));
        seats.addBaseDomain(domain);
    }

    function test_ADomainIsAHost() public {
        refuseAdd("");
        refuseAdd(".");
        refuseAdd(".example.com");
        refuseAdd("example.com.");
        refuseAdd("example..com");
        refuseAdd("Example.com");
        refuseAdd("example.com/");
        refuseAdd("example.com:80");
        refuseAdd("*.example.com");
        refuseAdd("exam ple.com");
        refuseAdd(string(labels(254)));
        seats.addBaseDomain(string(labels(253)));
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.BaseDomainKnown.selector, "example"));
        seats.addBaseDomain("example");
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.BaseDomainUnknown.selector, "unknown"));
        seats.removeBaseDomain("unknown");
    }

    function labels(uint256 length) private pure returns (bytes memory text) {
        text = new bytes(length);
        for (uint256 i = 0; i < length; i++) {
            text[i] = i % 2 == 1 && i + 1 < length ? bytes1(".") : bytes1("a");
        }
    }

    function test_TheListIsBounded() public {
        for (uint256 i = 0; i < 63; i++) {
            seats.addBaseDomain(string.concat("d", VM.toString(i), ".org"));
        }
        VM.expectRevert(UrlPolicy.TooManyBaseDomains.selector);
        seats.addBaseDomain("onemore.org");
        accept("tcp://a.d62.org");
    }

    /* ---- devMode ---- */

    function test_DevModeIsForDevelopmentChains() public {
        require(!seats.devMode(), "on from the start");
        VM.chainId(8453);
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.DevModeChain.selector, 8453));
        seats.setDevMode(true);
        seats.setDevMode(false);
        VM.chainId(1337);
        VM.expectEmit(true, true, true, true, address(seats));
        emit UrlPolicy.DevModeSet(true);
        seats.setDevMode(true);
        VM.chainId(31337);
        accept("host:7946");
        accept("http://[::1]:80");
        refuseUrl(longUrl(257), abi.encodeWithSelector(UrlPolicy.UrlTooLong.selector, 257));
        VM.chainId(8453);
        seats.setDevMode(false);
        VM.chainId(31337);
        refuseScheme("host:7946");
    }

    /* ---- any bytes ---- */

    /// What is a host is one for a plain reading of the rule, and the other way round.
    function testFuzz_AHostIsAHost(bytes memory host) public view {
        require(harness.isHost(host) == plainHost(host), "another verdict");
        for (uint256 i = 0; i < host.length; i++) {
            bytes memory few = "az09-.A/:@";
            host[i] = few[uint8(host[i]) % 13 < few.length ? uint8(host[i]) % 13 : 0];
        }
        require(harness.isHost(host) == plainHost(host), "another verdict, of likely bytes");
    }

    function plainHost(bytes memory host) private pure returns (bool) {
        if (host.length == 0 || host.length > 253) return false;
        for (uint256 i = 0; i < host.length; i++) {
            bytes1 c = host[i];
            bool label = (c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c == "-";
            if (!label && c != ".") return false;
            if (c == "." && (i == 0 || i == host.length - 1 || host[i - 1] == ".")) return false;
        }
        return true;
    }

    /// Any bytes behind an allowed URL's start: taken only if the host is still under the domain.
    function testFuzz_NothingMovesTheHost(bytes memory tail) public {
        for (uint256 i = 0; i < tail.length; i++) {
            bytes memory few = "a9.-:/@?#\\%[ A";
            if (uint8(tail[i]) % 2 == 0) tail[i] = few[uint8(tail[i]) / 2 % few.length];
        }
        string memory url = string.concat("tcp://node.example", string(tail));
        if (bytes(url).length > 256) return;
        Endpoint memory e = endpointOf(id, NODE, url);
        VM.prank(alice);
        (bool ok,) = address(seats).call(abi.encodeCall(seats.setEndpoint, (e, "")));
        if (!ok) return;
        bytes memory host = harness.hostOf(bytes(url));
        require(plainHost(host) && ends(host, ".example"), url);
        bytes1 next = bytes(url).length == 6 + host.length ? bytes1("/") : bytes(url)[6 + host.length];
        require(next == "/" || next == ":", url);
    }

    function ends(bytes memory text, bytes memory end) private pure returns (bool) {
        for (uint256 i = 0; i < end.length; i++) {
            if (text[text.length - end.length + i] != end[i]) return false;
        }
        return true;
    }
}
