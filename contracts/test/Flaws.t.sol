// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {Cluster} from "../src/Cluster.sol";
import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {IAppAuth} from "../src/IAppAuth.sol";
import {Endpoint, Renewal} from "../src/Statements.sol";
import {Base, Registration} from "./Base.sol";
import {UrlPolicy} from "../src/UrlPolicy.sol";
import {VM, Vm} from "./Vm.sol";

/// The attacks that the prototype's contract let through, run as they were, each numbered as in the list of its flaws.
contract FlawsTest is Base {
    uint256 private constant EVE_APP = 0x1003;

    function only(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    /// Alice's app public key, KMS signature and app id are in public calldata. Eve, who even owns a seat, signs a key
    /// of hers as if she were the app.
    function test_Flaw01_TheAppSignatureIsByTheAppKeyThatTheKmsSigned() public {
        aliceSeat();
        uint256 id = boundSeat(eve, EVE_INSTANCE);
        Registration memory r = registrationOf(id, EVE, EVE_NODE, EVE_PROOF);
        r.c.appSig = appSignature(EVE_APP, "nftmesh-node-v1", keyOf(EVE_PROOF));
        refuse(r, eve, only(DstackMembershipNFT.ChainAppSignature.selector));
        /* with her own app key in the app key's place the KMS signature no longer fits */
        r.c.appXY = xyOf(EVE_APP);
        refuse(r, eve, only(DstackMembershipNFT.ChainKmsRoot.selector));
    }

    /// Eve has no seat and wants the traffic that goes to Alice's URL.
    function test_Flaw02_OnlyTheSeatsOwnerOrNodeChangesItsUrl() public {
        uint256 id = aliceSeat();
        Registration memory r = registrationOf(id, EVE, EVE_NODE, EVE_PROOF);
        r.b.url = "https://evil.example";
        signBinding(r, EVE, EVE_NODE, EVE_PROOF);
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        r.b.owner = eve;
        signBinding(r, EVE, EVE_NODE, EVE_PROOF);
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.OwnerDiffers.selector, id, eve));

        Endpoint memory e = endpointOf(id, NODE, "https://evil.example");
        bytes memory sig = sign(EVE_NODE, digestOf(e));
        VM.expectRevert(only(DstackMembershipNFT.NodeSignature.selector));
        VM.prank(eve);
        seats.setEndpoint(e, sig);
        require(same(seats.instanceToConnectionUrl(INSTANCE), URL), "the url changed");
    }

    /// One registration's calldata, sent again: to the same contract, for another token, to another contract that
    /// trusts the same root, on another chain.
    function test_Flaw03_ARegistrationCannotBeReplayed() public {
        uint256 id = boundSeat(alice, INSTANCE);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        send(r, alice);
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 1, 0));

        uint256 evesId = boundSeat(eve, EVE_INSTANCE);
        Registration memory copy = registrationOf(evesId, EVE, NODE, PROOF);
        (copy.sigN, copy.sigD) = (r.sigN, r.sigD);
        refuse(copy, eve, only(DstackMembershipNFT.NodeSignature.selector));

        seats = newSeats();
        require(boundSeat(alice, INSTANCE) == id, "not comparable");
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));

        VM.chainId(1);
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
    }

    /// Anybody may register an app at a KMS. Eve's chain is genuine, for her own app.
    function test_Flaw04_AGenuineChainOfAnotherAppIsNotEnough() public {
        uint256 id = boundSeat(eve, EVE_INSTANCE);
        Registration memory r = registrationOf(id, EVE, EVE_NODE, EVE_PROOF);
        bytes20 evesApp = bytes20(uint160(0xE5E));
        r.c = chainOf(KMS_ROOT, EVE_APP, evesApp, EVE_PROOF);
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.AppIdNotAllowed.selector, evesApp));
        /* nor can she name the allowed app: the KMS signed her app id */
        r.c.appId = APP_ID;
        refuse(r, eve, only(DstackMembershipNFT.ChainKmsRoot.selector));
    }

    /// The keys stand on chain, so that there is something to authenticate the endpoint with, one node key a seat.
    function test_Flaw05_TheSeatShowsItsKeys() public {
        uint256 id = aliceSeat();
        Member memory m = member(id);
        require(same(m.nodeKey, keyOf(NODE)) && same(m.proofKey, keyOf(PROOF)) && m.instance == INSTANCE, "keys");
        uint256 other = boundSeat(eve, EVE_INSTANCE);
        Registration memory r = registrationOf(other, EVE, NODE, PROOF);
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.NodeKeyTaken.selector, id));
    }

    /// A root of zero equals what ecrecover makes of garbage.
    function test_Flaw06_TheRootIsNeverZeroAndGarbageRecoversNobody() public {
        bytes20[] memory none = new bytes20[](0);
        VM.expectRevert(only(Cluster.KmsRootZero.selector));
        new DstackMembershipNFT("seats", "SEAT", address(0), none, 100);
        VM.expectRevert(only(Cluster.KmsRootZero.selector));
        seats.setKmsRootAddress(address(0));

        uint256 id = boundSeat(eve, EVE_INSTANCE);
        Registration memory r = registrationOf(id, EVE, EVE_NODE, EVE_PROOF);
        /* no point has x = 5: of this ecrecover makes zero, though its form is right */
        r.c.kmsSig = abi.encodePacked(bytes32(uint256(5)), bytes32(uint256(1)), uint8(27));
        refuse(r, eve, only(DstackMembershipNFT.ChainKmsRoot.selector));
        r.c.kmsSig = abi.encodePacked(bytes32(0), bytes32(uint256(1)), uint8(27));
        refuse(r, eve, only(DstackMembershipNFT.ChainEncoding.selector));
    }

    /// The prototype cut 32 bytes to 20, so one app had 2^96 names. Each byte behind the 20 is looked at.
    function test_Flaw07_AnAppIdHasOneEncoding() public {
        uint256 id = boundSeat(alice, INSTANCE);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        bytes memory data =
            abi.encodeCall(DstackMembershipNFT.register, (r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, r.sigOwner));
        uint256 appIdAt = 4 + uint256(wordAt(data, 4 + 3 * 32)) + 32;
        require(bytes20(wordAt(data, appIdAt)) == APP_ID, "not where it should be");
        for (uint256 i = 20; i < 32; i++) {
            data[appIdAt + i] = 0x01;
            mustFail(data, only(DstackMembershipNFT.ChainEncoding.selector));
            data[appIdAt + i] = 0x80;
            mustFail(data, only(DstackMembershipNFT.ChainEncoding.selector));
            data[appIdAt + i] = 0x00;
        }
        VM.prank(alice);
        (bool ok,) = address(seats).call(data);
        require(ok, "clean app id refused");
    }

    function mustFail(bytes memory data, bytes memory error) private {
        VM.prank(alice);
        (bool ok, bytes memory said) = address(seats).call(data);
        require(!ok, "dirty app id accepted");
        require(same(said, error), "refused for another reason");
    }

    function wordAt(bytes memory data, uint256 at) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), at))
        }
    }

    /// The four encodings of one signature: s or n - s, v as 0/1 or 27/28. One is accepted.
    function test_Flaw08_ASignatureHasOneEncoding() public {
        uint256 id = boundSeat(alice, INSTANCE);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        bytes memory good = r.c.kmsSig;
        for (uint256 form = 1; form < 4; form++) {
            r.c.kmsSig = otherForm(good, form);
            refuse(r, alice, only(DstackMembershipNFT.ChainEncoding.selector));
        }
        r.c.kmsSig = good;
        good = r.sigN;
        for (uint256 form = 1; form < 4; form++) {
            r.sigN = otherForm(good, form);
            refuse(r, alice, only(DstackMembershipNFT.NodeSignature.selector));
        }
        r.sigN = good;
        good = r.sigD;
        for (uint256 form = 1; form < 4; form++) {
            r.sigD = otherForm(good, form);
            refuse(r, alice, only(DstackMembershipNFT.ProofSignature.selector));
        }
        r.sigD = good;
        good = r.sigOwner;
        for (uint256 form = 1; form < 4; form++) {
            r.sigOwner = otherForm(good, form);
            refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        }
        r.sigOwner = good;
        send(r, eve);
    }

    function otherForm(bytes memory sig, uint256 form) private pure returns (bytes memory) {
        uint256 n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes32 r = wordAt(sig, 0);
        uint256 s = uint256(wordAt(sig, 32));
        uint8 v = uint8(sig[64]);
        if (form & 1 != 0) (s, v) = (n - s, v == 27 ? 28 : 27);
        if (form & 2 != 0) v -= 27;
        return abi.encodePacked(r, s, v);
    }

    /// A genuine chain, made by an allowed app for another purpose, say for a wallet.
    function test_Flaw09_AChainForAnotherPurposeIsRefused() public {
        uint256 id = boundSeat(alice, INSTANCE);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        r.c.appSig = appSignature(APP, "ethereum", keyOf(PROOF));
        refuse(r, alice, only(DstackMembershipNFT.ChainAppSignature.selector));
        r.c.appSig = appSignature(APP, "mesh-peer-v1", keyOf(PROOF));
        refuse(r, alice, only(DstackMembershipNFT.ChainAppSignature.selector));
    }

    /// The empty instance id made one token fill the peer list, once for every token without an instance.
    function test_Flaw10_TheEmptyInstanceIsNoInstance() public {
        aliceSeat();
        seats.mintNodeAccess(bob);
        uint256 id = seats.mintNodeAccess(eve);
        VM.expectRevert(only(DstackMembershipNFT.InstanceZero.selector));
        VM.prank(eve);
        seats.registerInstance(id, address(0));

        Registration memory r = registrationOf(id, EVE, EVE_NODE, EVE_PROOF);
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.InstanceNotBound.selector, id));

        require(!seats.activeInstances(address(0)), "the empty instance is active");
        string[] memory urls = seats.getPeerEndpoints();
        require(urls.length == 1 && same(urls[0], URL), "the peer list");
        allowMeasurements();
        require(!boots(address(0)), "the empty instance may boot");
    }

    /// Eve gives Alice a used token to mask Alice's own, and sells one of two tokens to lose the other.
    function test_Flaw11_AGiftOrASaleTouchesNoOtherToken() public {
        uint256 id = aliceSeat();
        uint256 gift = boundSeat(eve, EVE_INSTANCE);
        send(registrationOf(gift, EVE, EVE_NODE, EVE_PROOF), eve);
        VM.prank(eve);
        seats.transferFrom(eve, alice, gift);
        mustBeClear(gift);
        require(member(id).active && member(id).boundBy == alice, "Alice's own seat is masked");

        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.NotTokenOwner.selector, gift, eve));
        VM.prank(eve);
        seats.registerInstance(gift, EVE_INSTANCE);
        VM.prank(alice);
        seats.transferFrom(alice, bob, gift);
        require(member(id).active, "membership lost with another token");
        VM.prank(alice);
        seats.deactivateInstance(id);
        send(registrationOf(id, ALICE, NODE, PROOF), alice);
    }

    function test_Flaw12_NobodyIsMintedATokenByAStranger() public {
        VM.expectRevert(only(DstackMembershipNFT.MintingPrivate.selector));
        VM.prank(eve);
        seats.mintNodeAccess(eve);
        seats.setClusterConfig(100, true, 0);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintToOther.selector, alice));
        VM.prank(eve);
        seats.mintNodeAccess(alice);
        require(seats.balanceOf(alice) == 0, "Alice has a token");
    }

    /// Alice sells and wants to stay: listed, allowed to boot, and with her hand on the URL.
    function test_Flaw13_TheSellerLeavesWithTheSale() public {
        uint256 id = aliceSeat();
        allowMeasurements();
        require(boots(INSTANCE), "not allowed before the sale");
        Endpoint memory e = endpointOf(id, NODE, "https://still.alice.example");
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);

        VM.prank(alice);
        seats.transferFrom(alice, bob, id);

        mustBeClear(id);
        require(!seats.activeInstances(INSTANCE) && seats.instanceToToken(INSTANCE) == 0, "the instance stays");
        require(seats.getPeerEndpoints().length == 0 && seats.getActiveInstances().length == 0, "still listed");
        require(!boots(INSTANCE), "still allowed to boot");

        bytes memory sig = sign(NODE, digestOf(e));
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.NotRegistered.selector, id));
        VM.prank(alice);
        seats.setEndpoint(e, sig);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.OwnerDiffers.selector, id, alice));
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.NotTokenOwner.selector, id, alice));
        VM.prank(alice);
        seats.registerInstance(id, INSTANCE);

        VM.prank(bob);
        seats.registerInstance(id, EVE_INSTANCE);
        send(registrationOf(id, BOB, EVE_NODE, EVE_PROOF), bob);
        require(member(id).boundBy == bob, "the buyer waits for the seller");
    }

    /// Instance ids can be seen in the mempool. Eve binds Alice's first, or registers for it first.
    function test_Flaw14_AnInstanceIsHisWhoseMachineSigns() public {
        uint256 evesId = boundSeat(eve, INSTANCE);
        uint256 id = boundSeat(alice, INSTANCE);
        require(seats.tokenToInstance(id) == INSTANCE, "Eve locks Alice out");
        /* what her own machine signs is for another instance, and she cannot put it under this one */
        Registration memory copy = registrationOf(evesId, EVE, EVE_NODE, EVE_PROOF);
        copy.b.instance = EVE_INSTANCE;
        signBinding(copy, EVE, EVE_NODE, EVE_PROOF);
        bytes memory differs =
            abi.encodeWithSelector(DstackMembershipNFT.InstanceDiffers.selector, INSTANCE, EVE_INSTANCE);
        refuse(copy, eve, differs);
        copy.b.instance = INSTANCE;
        refuse(copy, eve, only(DstackMembershipNFT.NodeSignature.selector));

        /* Eve sends Alice's registration before Alice: it is Alice's all the same */
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        send(r, eve);
        require(member(id).active && seats.instanceToToken(INSTANCE) == id, "not Alice's");
        Registration memory late = registrationOf(evesId, EVE, EVE_NODE, EVE_PROOF);
        bytes memory taken = abi.encodeWithSelector(DstackMembershipNFT.InstanceTaken.selector, INSTANCE, id);
        refuse(late, eve, taken);
        uint256 third = seats.mintNodeAccess(eve);
        VM.expectRevert(taken);
        VM.prank(eve);
        seats.registerInstance(third, INSTANCE);

        /* nor does Eve's leaving take the instance along */
        VM.prank(eve);
        seats.burn(evesId);
        require(seats.instanceToToken(INSTANCE) == id && seats.activeInstances(INSTANCE), "taken along");
    }

    /// Any URL in what was called production.
    function test_Flaw15_UrlsAreUnderAnAllowedDomainAndDevModeIsOff() public {
        require(!seats.devMode(), "devMode from the start");
        uint256 id = aliceSeat();
        seats.addBaseDomain("mesh.org");
        string[3] memory urls = ["https://evil.example.net", "https://evilmesh.org", "https://mesh.org.evil.net"];
        string[3] memory hosts = ["evil.example.net", "evilmesh.org", "mesh.org.evil.net"];
        for (uint256 i = 0; i < 3; i++) {
            Endpoint memory e = endpointOf(id, NODE, urls[i]);
            VM.expectRevert(abi.encodeWithSelector(UrlPolicy.DomainNotAllowed.selector, hosts[i]));
            VM.prank(alice);
            seats.setEndpoint(e, "");
        }
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.BaseDomainInvalid.selector, ""));
        seats.addBaseDomain("");
        VM.chainId(8453);
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.DevModeChain.selector, 8453));
        seats.setDevMode(true);
    }

    /// A domain that was lost stayed allowed.
    function test_Flaw16_ADomainCanBeTakenBack() public {
        uint256 id = aliceSeat();
        VM.expectEmit(true, true, true, true, address(seats));
        emit UrlPolicy.BaseDomainRemoved("example");
        seats.removeBaseDomain("example");
        require(!seats.allowedBaseDomains("example"), "still allowed");
        Endpoint memory e = endpointOf(id, NODE, URL);
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.DomainNotAllowed.selector, "node.example"));
        VM.prank(alice);
        seats.setEndpoint(e, "");
    }

    /// Long URLs and an endless list made discovery fail for all.
    function test_Flaw17_UrlsAreBoundedAndListsArePaged() public {
        uint256 id = aliceSeat();
        Endpoint memory e = endpointOf(id, NODE, longUrl(257));
        VM.expectRevert(abi.encodeWithSelector(UrlPolicy.UrlTooLong.selector, 257));
        VM.prank(alice);
        seats.setEndpoint(e, "");
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.PageTooLong.selector, 33));
        seats.membersPage(0, 33);
    }

    /// Eve mints the rest of the cluster in one loop.
    function test_Flaw18_SlotsAreNotForTheTaking() public {
        VM.expectRevert(only(DstackMembershipNFT.MintingPrivate.selector));
        VM.prank(eve);
        seats.mintNodeAccess(eve);
        seats.setClusterConfig(100, true, 0);
        VM.prank(eve);
        uint256 first = seats.mintNodeAccess(eve);
        for (uint256 i = 0; i < 2; i++) {
            VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintLimit.selector, 1));
            VM.prank(eve);
            seats.mintNodeAccess(eve);
            if (i == 1) break;
            VM.prank(eve);
            seats.transferFrom(eve, bob, first); /* out of her hands, and of no use to her */
        }
        VM.prank(bob);
        seats.burn(first);
        seats.setClusterConfig(1, true, 1 ether);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintPrice.selector, 0, 1 ether));
        VM.prank(alice);
        seats.mintNodeAccess(alice);

        uint256 id = seats.mintNodeAccess(alice);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.ClusterFull.selector, 1));
        seats.mintNodeAccess(bob);
        VM.prank(alice);
        seats.burn(id);
        require(seats.mintNodeAccess(bob) == id + 1, "a burnt token frees no slot, or its number came again");
    }

    /// Ether sent along with a private mint, or too much of it, was kept for ever.
    function test_Flaw19_ThePriceIsExactAndCanBeWithdrawn() public {
        VM.deal(eve, 10 ether);
        VM.expectRevert(only(DstackMembershipNFT.MintingPrivate.selector));
        VM.prank(eve);
        seats.mintNodeAccess{value: 1 ether}(eve);
        seats.setClusterConfig(100, true, 1 ether);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintPrice.selector, 2 ether, 1 ether));
        VM.prank(eve);
        seats.mintNodeAccess{value: 2 ether}(eve);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintPrice.selector, 1 ether, 0));
        seats.mintNodeAccess{value: 1 ether}(alice);

        VM.prank(eve);
        seats.mintNodeAccess{value: 1 ether}(eve);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, eve));
        VM.prank(eve);
        seats.withdraw(payable(eve));
        seats.withdraw(payable(bob));
        require(bob.balance == 1 ether && address(seats).balance == 0, "locked");
    }

    /// The prototype's isAppAllowed had another selector and approved whatever named an active instance.
    function test_Flaw20_TheBootPolicyIsDStacks() public {
        require(IAppAuth.isAppAllowed.selector == 0x1e079198, "selector");
        aliceSeat();
        (bool allowed, string memory reason) = seats.isAppAllowed(bootInfo(INSTANCE));
        require(!allowed && same(reason, "Compose hash not allowed"), "any code of an active instance is approved");
    }

    /// A leaked root's registrations survived its rotation.
    function test_Flaw21_RegistrationsCarryTheirRootsEpoch() public {
        uint256 id = aliceSeat();
        address oldRoot = VM.addr(KMS_ROOT);
        seats.setKmsRootAddress(VM.addr(0x1bad));
        require(member(id).rootEpoch == 1 && seats.rootEpoch() == 2, "epochs");
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        refuse(r, alice, only(DstackMembershipNFT.ChainKmsRoot.selector));
        VM.expectRevert(abi.encodeWithSelector(Cluster.KmsRootUsedBefore.selector, oldRoot, 1));
        seats.setKmsRootAddress(oldRoot);

        seats.transferOwnership(bob);
        require(seats.owner() == address(this) && seats.pendingOwner() == bob, "ownership moved in one step");
    }

    /// What an event says of a seat can be read, and found by the token's number, by whoever knows nothing yet. The
    /// topics are spelt out: the events' own declaration would agree with itself.
    function test_Flaw22_EventsAreIndexedByToken() public {
        uint256 id = seats.mintNodeAccess(alice);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        r.b.instance = INSTANCE;
        signBinding(r, ALICE, NODE, PROOF);
        VM.recordLogs();
        VM.prank(alice);
        seats.registerInstance(id, INSTANCE);
        send(r, alice);
        Vm.Log[] memory logs = VM.getRecordedLogs();
        require(logs.length == 2, "an event each");

        mustHaveTopics(logs[0], keccak256("InstanceRegistered(uint256,address)"), id, 3);
        require(logs[0].topics[2] == bytes32(uint256(uint160(INSTANCE))) && logs[0].data.length == 0, "the instance");
        mustHaveTopics(
            logs[1],
            keccak256("PeerRegistered(uint256,address,address,bytes,bytes,bytes20,uint64,uint64,string)"),
            id,
            4
        );
        bytes memory data = abi.encode(r.b.nodeKey, r.b.proofKey, APP_ID, uint64(1), r.b.expiresAt, URL);
        require(same(logs[1].data, data), "what was registered, in full");
    }

    function mustHaveTopics(Vm.Log memory entry, bytes32 kind, uint256 tokenId, uint256 count) private pure {
        require(entry.topics.length == count && entry.topics[0] == kind, "the kind of event");
        require(entry.topics[1] == bytes32(tokenId), "not found by its token");
    }

    /// Eve's machine is gone, or bad, and she never takes it off: peers dialled it for ever. No registration is for
    /// ever; when it has ended the seat counts nowhere, and only its owner's renewal brings it back.
    function test_Flaw23_RegistrationsEnd() public {
        uint256 id = boundSeat(alice, INSTANCE);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        r.b.expiresAt = type(uint64).max;
        signBinding(r, ALICE, NODE, PROOF);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.ExpiryTooFar.selector, type(uint64).max));
        r.b.expiresAt = uint64(NOW + 400 days);
        signBinding(r, ALICE, NODE, PROOF);
        send(r, alice);
        allowMeasurements();
        bytes32 revision = seats.revision();

        VM.warp(NOW + 400 days - 1);
        mustCount(true);
        VM.warp(NOW + 400 days);
        mustCount(false);
        (, string memory reason) = seats.isAppAllowed(bootInfo(INSTANCE));
        require(same(reason, "Seat is expired or suspended"), reason);
        VM.warp(NOW + 4000 days);
        mustCount(false);

        /* nodes judge by the time of their reference block: the page shows what was registered, and until when */
        Member memory m = seats.membersPage(0, 1)[0];
        require(m.active && m.expiresAt == NOW + 400 days && same(m.nodeKey, keyOf(NODE)), "gone from the page");
        require(same(m.url, URL) && seats.revision() == revision, "changed by time");

        clock = NOW + 4000 days;
        Renewal memory n = renewalOf(id, NODE);
        bytes memory sig = sign(EVE, digestOf(n));
        VM.expectRevert(only(DstackMembershipNFT.OwnerSignature.selector));
        VM.prank(eve);
        seats.renew(n, sig);
        VM.prank(alice);
        seats.renew(n, "");
        mustCount(true);
        VM.warp(n.expiresAt);
        mustCount(false);
    }

    /// An operator that Alice approved moves her token: nothing of hers is left on it.
    function test_Flaw24_AnOperatorsTransferClearsTheSeatToo() public {
        uint256 id = aliceSeat();
        VM.prank(alice);
        seats.approve(eve, id);
        VM.prank(eve);
        seats.transferFrom(alice, eve, id);
        mustBeClear(id);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        r.b.owner = alice;
        signBinding(r, ALICE, NODE, PROOF);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.OwnerDiffers.selector, id, alice));
    }

    /// No token is minted into a contract that cannot move it; and only the owner burns, an approved one does not.
    function test_Flaw25_NoTokenIsStuckAndOwnersBurn() public {
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(seats)));
        seats.mintNodeAccess(address(seats));
        uint256 id = aliceSeat();
        VM.prank(alice);
        seats.approve(eve, id);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.NotTokenOwner.selector, id, eve));
        VM.prank(eve);
        seats.burn(id);
        VM.prank(alice);
        seats.burn(id);
        require(seats.totalSupply() == 0 && seats.instanceToToken(INSTANCE) == 0, "something is left");
    }

    /// The simulators' roots and the vectors' root: their private keys are public files.
    function test_Flaw26_PublicRootsAreRefusedOnRealChains() public {
        address[3] memory roots = [
            0x8f2cF602C9695b23130367ed78d8F557554de7C5,
            0xA7F6043C29f9cc1d9D6aCF554c53E0c6792AaEAf,
            0x9Ad9076Ef654fAe9EA83e2369c49B21227ffA12c
        ];
        VM.chainId(8453);
        for (uint256 i = 0; i < roots.length; i++) {
            VM.expectRevert(abi.encodeWithSelector(Cluster.KmsRootPublic.selector, roots[i]));
            seats.setKmsRootAddress(roots[i]);
        }
        VM.chainId(1337);
        seats.setKmsRootAddress(roots[0]);
        VM.chainId(31337);
        seats.setKmsRootAddress(roots[1]);
    }
}
